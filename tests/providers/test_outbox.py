"""The outbox is a Maildir, and can be asked what it has."""

from __future__ import annotations

import asyncio
import mailbox
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.mail import personalise
from digest.providers import connect
from digest.providers.interface import Batch, Message, Provider, Recipient

MESSAGE = Message(
    "Verdicts",
    "v@example.com",
    "",
    "Subject",
    personalise.split("<p>[[digest:greeting]]</p>"),
    personalise.split("[[digest:greeting]]"),
    {"Message-ID": personalise.split("<[[digest:message]]@example.com>")},
)


def batch(*subscribers: int) -> Batch:
    recipients = tuple(
        Recipient(n, f"r{n}@example.com", {"message": f"m{n}", "greeting": f"Hello {n},", "token": ""})
        for n in subscribers
    )
    return Batch(1, "key", MESSAGE, recipients, datetime(2026, 11, 26, 9, tzinfo=UTC))


def opened(folder: Path) -> Provider:
    outbox = connect("outbox", {"db": folder / "digest.db", "outbox": folder})
    outbox.open()
    return outbox


def test_each_copy_is_a_message_of_the_maildir(tmp_path: Path) -> None:
    outbox = opened(tmp_path / "box")
    outcomes = asyncio.run(outbox.hand_over(batch(1, 2, 3)))
    assert [(o.subscriber, o.accepted) for o in outcomes] == [(1, True), (2, True), (3, True)]
    box = mailbox.Maildir(tmp_path / "box", create=False)
    assert sorted(str(message["To"]) for message in box) == [f"r{n}@example.com" for n in (1, 2, 3)]
    assert list((tmp_path / "box" / "tmp").iterdir()) == []


def test_it_knows_what_it_has_read_or_not(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    asyncio.run(outbox.hand_over(batch(1, 2)))
    # A mail program moves what was read and flags it.
    (tmp_path / "new" / "m1.digest").rename(tmp_path / "cur" / "m1.digest:2,S")
    assert asyncio.run(outbox.ask(batch(1, 2, 3))) == frozenset({1, 2})


def test_before_the_first_message_it_has_nothing(tmp_path: Path) -> None:
    assert asyncio.run(opened(tmp_path).ask(batch(1))) == frozenset()


def test_a_folder_that_is_not_there_proves_nothing(tmp_path: Path) -> None:
    outbox = connect("outbox", {"db": tmp_path / "digest.db", "outbox": tmp_path / "not mounted"})
    with pytest.raises(FileNotFoundError):
        asyncio.run(outbox.ask(batch(1)))


def test_a_half_written_message_does_not_count_and_is_written_anew(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    (tmp_path / "tmp" / "m1.digest").write_text("half a mess")
    assert asyncio.run(outbox.ask(batch(1))) == frozenset()
    asyncio.run(outbox.hand_over(batch(1)))
    assert len(list(mailbox.Maildir(tmp_path, create=False))) == 1
    assert b"Hello 1," in (tmp_path / "new" / "m1.digest").read_bytes()


def test_a_relative_folder_is_beside_the_store_wherever_one_stands(tmp_path: Path) -> None:
    outbox = connect("outbox", {"db": tmp_path / "digest.db", "outbox": Path("box")})
    assert outbox.account == str(tmp_path / "box")
