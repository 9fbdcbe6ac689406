"""Asking the DNS, each question once."""

from __future__ import annotations

import asyncio

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.txtbase
import dns.resolver
import dns.reversename

SECONDS = 3.0
"""For one question, however many servers are asked."""


class UnreachableError(Exception):
    """The DNS did not answer, or only with an error; it says which question."""


class Zone:
    """What the DNS knows. Each method raises `UnreachableError` where the DNS does not answer."""

    def __init__(self, resolver: dns.asyncresolver.Resolver) -> None:
        self._resolver = resolver
        self._asked: dict[tuple[str, str], asyncio.Future[dns.resolver.Answer | None]] = {}
        self._missing: set[str] = set()

    async def exists(self, name: str) -> bool:
        """Tell whether a name is in the DNS, with whatever records."""
        await self._ask(name, "MX")
        return name not in self._missing

    async def texts(self, name: str) -> list[str]:
        """Give the TXT records of a name, each joined from its pieces; a CNAME is followed."""
        return [
            b"".join(record.strings).decode("utf-8", "replace")
            for record in await self._records(name, "TXT")
            if isinstance(record, dns.rdtypes.txtbase.TXTBase)
        ]

    async def mail_servers(self, name: str) -> list[str]:
        """Give the hosts of the MX records of a name, the preferred first; the null MX is ``.``."""
        records = [record for record in await self._records(name, "MX") if isinstance(record, dns.rdtypes.ANY.MX.MX)]
        ordered = sorted(records, key=lambda record: (record.preference, str(record.exchange)))
        return [record.exchange.to_text(omit_final_dot=True) or "." for record in ordered]

    async def alias(self, name: str) -> str:
        """Give the name that a name is an alias of (CNAME); an empty text where it is none."""
        records = [
            record for record in await self._records(name, "CNAME") if isinstance(record, dns.rdtypes.ANY.CNAME.CNAME)
        ]
        return records[0].target.to_text(omit_final_dot=True) if records else ""

    async def has_address(self, name: str) -> bool:
        """Tell whether a host has an IP address."""
        return bool(await self._records(name, "A") or await self._records(name, "AAAA"))

    async def addresses(self, name: str) -> list[str]:
        """Give the IP addresses of a host, of both kinds."""
        return [str(record) for kind in ("A", "AAAA") for record in await self._records(name, kind)]

    async def pointers(self, address: str) -> list[str]:
        """Give the names of an IP address (PTR)."""
        name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        return [str(record).rstrip(".").lower() for record in await self._records(name, "PTR")]

    async def _records(self, name: str, kind: str) -> list[object]:
        answer = await self._ask(name, kind)
        return list(answer) if answer is not None else []

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer | None:
        if (name, kind) not in self._asked:
            self._asked[name, kind] = asyncio.ensure_future(self._resolve(name, kind))
        return await self._asked[name, kind]

    async def _resolve(self, name: str, kind: str) -> dns.resolver.Answer | None:
        try:
            return await self._resolver.resolve(f"{name}.", kind, lifetime=SECONDS, search=False)
        except dns.resolver.NXDOMAIN:
            self._missing.add(name)
            return None
        except (dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel):
            return None
        except dns.exception.Timeout:
            raise UnreachableError(f"no answer about {name} ({kind}) within {SECONDS:g} seconds") from None
        except dns.resolver.NoNameservers:
            raise UnreachableError(f"its servers fail when asked about {name} ({kind})") from None
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise UnreachableError(f"{name} ({kind}) cannot be asked for: {error or type(error).__name__}") from None
