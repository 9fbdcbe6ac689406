"""A name server on loopback, with a small zone."""

from __future__ import annotations

import socket
import threading

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = dict[str, dict[str, list[str]]]
"""By name, then by type; a TXT is written without its quotes. A name that is not there is NXDOMAIN, unless one
under it is. The types SERVFAIL and SILENCE stand for themselves."""


class Server:
    """A DNS server on loopback UDP."""

    def __init__(self) -> None:
        self.records: Records = {}
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.port
        return resolver

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer is not None:
                self._socket.sendto(answer.to_wire(max_size=65535), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        here = self.records.get(name, {})
        if "SILENCE" in here:
            return None
        if "SERVFAIL" in here:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif not here and not any(other.endswith("." + name) for other in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        while "CNAME" in here:
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{here['CNAME'][0]}."))
            name = here["CNAME"][0]
            here = self.records.get(name, {})
        if texts := here.get(kind):
            written = [quoted(text) if kind == "TXT" else text for text in texts]
            response.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", kind, written))
        return response


def quoted(text: str) -> str:
    """Write a TXT record in pieces of at most 255 bytes."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))
