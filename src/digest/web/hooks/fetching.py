"""Fetching what proves a provider's call, such as a certificate.

Which addresses may be asked says the provider's file.
"""

from __future__ import annotations

import asyncio

import httpx

LONGEST_S = 5.0
MOST_BYTES = 64 * 1024


async def fetch(address: str) -> bytes:
    """GET an address, of https only and without following where it leads.

    Raises:
        OSError: it takes too long, is too large, or says anything but 200.
        httpx.HTTPError: it cannot be reached.
    """
    if not address.startswith("https://"):
        raise OSError("only https addresses are fetched")
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
