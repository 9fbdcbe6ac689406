"""Certificates and keys for tests, made anew by the openssl command: none lies in the repository."""

from __future__ import annotations

import base64
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_EXTENSIONS = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
[req]
distinguished_name = name
[name]
"""


@dataclass(frozen=True)
class ServerKeys:
    """A server's certificate, its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path


def openssl(*arguments: str) -> bytes:
    """Run openssl; give what it writes."""
    program = shutil.which("openssl")
    assert program, "these tests need the openssl command (Debian: apt-get install openssl)"
    done = subprocess.run([program, *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def server_keys(folder: Path, names: str = "DNS:localhost, IP:127.0.0.1") -> ServerKeys:
    """Make an authority and a server's certificate by it, for a day."""
    made = ServerKeys(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    settings, authority_key = folder / "openssl.cnf", folder / "authority.key"
    settings.write_text(_EXTENSIONS.format(names=names))
    for key in (made.key, authority_key):
        key.write_bytes(openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout"))
    common = ("-days", "1", "-sha256")
    name = ("-config", str(settings), "-subj", "/CN=Tests")
    openssl(
        *("req", "-x509", "-new", "-key", str(authority_key), "-extensions", "ca", "-out", str(made.authority)),
        *common,
        *name,
    )
    request = folder / "request.pem"
    name = ("-config", str(settings), "-subj", "/CN=localhost")
    openssl("req", "-new", "-key", str(made.key), "-out", str(request), *name)
    openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(made.authority), "-CAkey", str(authority_key)),
        *("-set_serial", "2", "-extfile", str(settings), "-extensions", "server", "-out", str(made.certificate)),
        *common,
    )
    return made


@cache
def rsa_key() -> tuple[bytes, bytes]:
    """Make an RSA key of 2048 bits: in PEM, and as the DNS has its public half."""
    return _pair("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", kind="rsa")


@cache
def ed25519_key() -> tuple[bytes, bytes]:
    """Make an Ed25519 key: in PEM, and as the DNS has its public half."""
    return _pair("genpkey", "-algorithm", "ed25519", kind="ed25519")


def _pair(*arguments: str, kind: str) -> tuple[bytes, bytes]:
    key = openssl(*arguments)
    program = shutil.which("openssl")
    assert program
    der = subprocess.run([program, "pkey", "-pubout", "-outform", "DER"], input=key, capture_output=True, check=True)
    # The DNS has a whole RSA key, and of an Ed25519 one its 32 bytes alone (RFC 8463, section 4.2).
    public = der.stdout if kind == "rsa" else der.stdout[-32:]
    return key, f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}".encode()
