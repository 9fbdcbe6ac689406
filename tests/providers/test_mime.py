"""The messages are what RFCs 5322, 2045 and 8058 ask for, whatever is in them."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail import personalise
from digest.providers.interface import Message, Recipient
from digest.providers.mime import MimeMessage

DATE = datetime(2026, 11, 26, 9, tzinfo=UTC)


def message(subject: str = "Subject", html: str = "<p>Hi</p>", text: str = "Hi\n", sender: str = "Verdicts") -> Message:
    headers = {
        "Message-ID": "<[[digest:message]]@example.com>",
        "List-Unsubscribe": (
            "<https://example.com/u/[[digest:token]]>, <mailto:out@example.com?subject=[[digest:token]]>"
        ),
    }
    return Message(
        sender_name=sender,
        sender_address="verdicts@example.com",
        reply_to="desk@example.com",
        subject=subject,
        html=personalise.split(html),
        text=personalise.split(text),
        headers={name: personalise.split(value) for name, value in headers.items()},
    )


def reader(address: str = "ada@example.com", greeting: str = "Hello Ada,") -> Recipient:
    return Recipient(1, address, {"token": "T-o_k", "message": "M1", "greeting": greeting})


def parsed(data: bytes) -> EmailMessage:
    """Parse as a strict client would, and find nothing wrong."""
    found = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    defects = [*found.defects, *(defect for name in found for defect in found[name].defects)]
    for part in found.walk():
        defects += part.defects
    assert defects == []
    assert max(len(line) for line in data.split(b"\n")) <= 998
    return found


def contents(found: EmailMessage) -> tuple[str, str]:
    text, html = found.get_body(("plain",)), found.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def test_a_message_has_two_alternatives_text_first() -> None:
    found = parsed(MimeMessage(message()).copy_for(reader(), DATE))
    assert found.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert found["From"] == "Verdicts <verdicts@example.com>"
    assert found["Reply-To"] == "desk@example.com"
    assert found["To"] == "ada@example.com"
    assert found["Date"].datetime == DATE
    assert found["Message-ID"] == "<M1@example.com>"
    assert found["List-Unsubscribe"] == ("<https://example.com/u/T-o_k>, <mailto:out@example.com?subject=T-o_k>")


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"))


@given(TEXTS, TEXTS, TEXTS.map(lambda text: text.replace("\n", "")))
def test_what_goes_in_comes_out(before: str, after: str, greeting: str) -> None:
    before, after = (personalise.neutralise(text) for text in (before, after))
    body = f"{before}[[digest:greeting]]{after}[[digest:token]]"
    found = parsed(MimeMessage(message(html=body, text=body)).copy_for(reader(greeting=greeting), DATE))
    text, html = contents(found)
    # A part ends in a line end of its own, and form feeds and the like are line ends to the parser.
    assert text.rstrip("\n") == f"{before}{greeting}{after}T-o_k".rstrip("\n")
    escaped = greeting.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = escaped.replace('"', "&quot;").replace("'", "&#x27;")
    assert html.rstrip("\n") == f"{before}{escaped}{after}T-o_k".rstrip("\n")


def test_latin_text_is_quoted_printable_and_chinese_is_base64() -> None:
    found = parsed(
        MimeMessage(message(text="A café in the morning\n" * 50, html="工具" * 900)).copy_for(reader(), DATE)
    )
    assert [part["Content-Transfer-Encoding"] for part in found.iter_parts()] == ["quoted-printable", "base64"]
    text, html = contents(found)
    assert text.startswith("A café")
    assert html.strip() == "工具" * 900


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=200),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60),
)
def test_any_subject_and_sender_name_survive(subject: str, sender: str) -> None:
    subject, sender = " ".join(subject.split()), " ".join(sender.split())
    copy = MimeMessage(message(subject=subject, sender=sender)).copy_for(reader(), DATE)
    assert parsed(copy)["Subject"] == subject
    # Read by hand: Python's parser puts a space between two encoded words of a name (against RFC 2047, 6.2).
    name, address = parseaddr(raw_header(copy, b"From"))
    assert str(make_header(decode_header(name))) == sender
    assert address == "verdicts@example.com"


def raw_header(copy: bytes, name: bytes) -> str:
    """Give a header as it stands, unfolded."""
    found = re.search(rb"^%b:(.*(?:\n .*)*)" % name, copy, re.MULTILINE)
    assert found is not None
    return found[1].replace(b"\n", b"").decode("ascii").strip()


@pytest.mark.parametrize("address", ["a@example.com\nBcc: all@example.com", "a@example.com\r\nX: y"])
def test_an_address_cannot_begin_another_header(address: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        MimeMessage(message()).copy_for(reader(address), DATE)


def test_the_same_copy_has_the_same_bytes() -> None:
    first, second = (MimeMessage(message()).copy_for(reader(), DATE) for _ in range(2))
    assert first == second
