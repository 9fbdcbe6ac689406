"""Keys are read or refused with a reason, and what matters to readers is signed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.util import find_spec

import dkim
import pytest
from batches import MESSAGE, recipient
from keys import ed25519_key, openssl, rsa_key

from digest.providers.dkim_signing import Signer
from digest.providers.mime import MimeMessage

PAST = datetime(2024, 1, 4, 9, tzinfo=UTC)
COPY = MimeMessage(MESSAGE).copy_for(recipient(1), PAST).replace(b"\n", b"\r\n")


def signed(key: bytes) -> bytes:
    return Signer("example.com", "news", key).header_for(COPY, PAST)


def test_every_header_is_signed_and_the_important_ones_are_sealed() -> None:
    header = signed(rsa_key()[0])
    found = re.search(rb" h=([^;]+);", header)
    assert found
    names = [name.strip() for name in found[1].lower().split(b":")]
    there = [line.split(b":")[0].lower() for line in re.findall(rb"(?m)^[A-Za-z-]+:", COPY.partition(b"\r\n\r\n")[0])]
    assert {b"list-unsubscribe", b"list-unsubscribe-post", b"list-id", b"feedback-id", b"content-type"} <= set(there)
    for name in there:
        twice = name not in (b"feedback-id", b"precedence")
        assert names.count(name) == 1 + twice, name
    assert b"c=relaxed/relaxed;" in header
    assert f" t={PAST.timestamp():.0f};".encode() in header
    assert max(map(len, header.split(b"\r\n"))) <= 78


def test_the_same_message_has_the_same_signature() -> None:
    assert signed(rsa_key()[0]) == signed(rsa_key()[0])


def test_an_ed25519_key_signs_with_pynacl_and_is_refused_with_a_hint_without() -> None:
    key, public = ed25519_key()
    if find_spec("nacl"):
        assert dkim.verify(signed(key) + COPY, dnsfunc=lambda name, timeout=5: public)
    else:
        with pytest.raises(ValueError, match="needs PyNaCl"):
            signed(key)


def test_keys_in_both_forms_of_pem_sign() -> None:
    old = openssl("genrsa", "-traditional", "2048")
    assert old.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert signed(old).startswith(b"DKIM-Signature: v=1; a=rsa-sha256;")


def test_keys_that_cannot_sign_are_refused_without_being_quoted() -> None:
    neither = "neither an RSA nor an Ed25519 key; one with a passphrase cannot be read"
    wrong = [
        (b"", "no private key in PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n", neither),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", neither),
        (b"-----BEGIN PRIVATE KEY-----\nMIIBB\n-----END PRIVATE KEY-----\n", neither),
        (openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout"), neither),
        (openssl("genrsa", "-aes128", "-passout", "pass:secret", "1024"), neither),
        (openssl("genrsa", "512"), "512 bits are too few"),
    ]
    for key, words in wrong:
        with pytest.raises(ValueError, match=words) as caught:
            signed(key)
        assert not any(line in str(caught.value) for line in key.decode().splitlines() if len(line) > 40)


def test_a_key_on_windows_lines_is_read() -> None:
    key = rsa_key()[0]
    assert signed(key.replace(b"\n", b"\r\n")) == signed(key)
