"""Fetching what proves a provider's call, such as a certificate.

Which addresses may be asked says the provider's file.
"""

from __future__ import annotations

import asyncio

LONGEST_S = 5.0
MOST_BYTES = 64 * 1024


async def fetch(address: str) -> bytes:
    """GET an address, of https only and without following where it leads.

    Raises:
        OSError: it cannot be reached, takes too long, is too large, or says anything but 200.
    """
    if not address.startswith("https://"):
        raise OSError("only https addresses are fetched")
    # Here, because the start of the server does not wait for it: most providers' calls need nothing fetched.
    import httpx

    try:
        async with (
            asyncio.timeout(LONGEST_S),
            httpx.AsyncClient(timeout=LONGEST_S, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", address) as response,
        ):
            if response.status_code != 200:
                raise OSError(f"it said {response.status_code}")
            found = b""
            async for piece in response.aiter_bytes():
                found += piece
                if len(found) > MOST_BYTES:
                    raise OSError("it is too large")
            return found
    except httpx.HTTPError as error:
        raise OSError(f"it cannot be reached: {error}") from error
