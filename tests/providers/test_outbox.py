"""The outbox is a Maildir, and can be asked what it has."""

from __future__ import annotations

import asyncio
import email
import email.policy
import mailbox
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from digest.mail import personalise
from digest.providers import connect
from digest.providers.interface import AccountError, Answer, Batch, Message, Pace, Provider, Recipient
from digest.providers.outbox import ALWAYS_S
from digest.settings import Settings

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


def outbox(folder: Path, **options: Any) -> Provider:
    return connect("outbox", {"folder": folder, **options})


def opened(folder: Path) -> Provider:
    made = outbox(folder)
    asyncio.run(made.open(begin=True))
    return made


def test_each_copy_is_a_message_of_the_maildir(tmp_path: Path) -> None:
    box = opened(tmp_path / "box")
    assert asyncio.run(box.hand_over(batch(1, 2, 3))) == Answer(), "all are accepted, and it gives no ids"
    there = mailbox.Maildir(tmp_path / "box", create=False)
    assert sorted(str(message["To"]) for message in there) == [f"r{n}@example.com" for n in (1, 2, 3)]
    assert list((tmp_path / "box" / "tmp").iterdir()) == []


def test_a_message_has_the_batch_s_date_and_its_reader_s_greeting(tmp_path: Path) -> None:
    asyncio.run(opened(tmp_path).hand_over(batch(1)))
    (path,) = (tmp_path / "new").iterdir()
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert path.name == "m1.digest"
    assert mail["Date"].datetime == datetime(2026, 11, 26, 9, tzinfo=UTC)
    assert mail["Message-ID"] == "<m1@example.com>"
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        assert "Hello 1," in body.get_content()


def test_the_same_batch_gives_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        asyncio.run(opened(tmp_path / name).hand_over(batch(1, 2)))
        found.append([path.read_bytes() for path in sorted((tmp_path / name / "new").iterdir())])
    assert found[0] == found[1]


def test_it_knows_what_it_has_read_or_not(tmp_path: Path) -> None:
    box = opened(tmp_path)
    asyncio.run(box.hand_over(batch(1, 2)))
    # A mail program moves what was read and flags it.
    (tmp_path / "new" / "m1.digest").rename(tmp_path / "cur" / "m1.digest:2,S")
    assert asyncio.run(box.ask(batch(1, 2, 3))) == {1: None, 2: None}


def test_it_can_be_asked_at_once_and_for_ever(tmp_path: Path) -> None:
    proof = outbox(tmp_path).proof
    assert (proof.replay_s, proof.ask_s, proof.settling_s, proof.whole) == (0, ALWAYS_S, 0, False)


def test_before_the_first_message_it_has_nothing(tmp_path: Path) -> None:
    assert asyncio.run(opened(tmp_path).ask(batch(1))) == {}


def test_a_batch_handed_over_again_writes_no_second_message(tmp_path: Path) -> None:
    box = opened(tmp_path)
    for _ in range(2):
        asyncio.run(box.hand_over(batch(1, 2)))
    assert len(list(mailbox.Maildir(tmp_path, create=False))) == 2


def test_the_folder_is_made_at_the_beginning_only(tmp_path: Path) -> None:
    folder = tmp_path / "not mounted" / "box"
    asyncio.run(outbox(folder).open(begin=False))
    assert not folder.exists()
    asyncio.run(outbox(folder).open(begin=True))
    assert sorted(path.name for path in folder.iterdir()) == ["cur", "new", "tmp"]
    asyncio.run(outbox(folder).open(begin=True))


def test_a_folder_that_cannot_be_made_stops_the_sending(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(AccountError, match=r"/file/box cannot be made: Not a directory"):
        asyncio.run(outbox(tmp_path / "file" / "box").open(begin=True))


def test_a_folder_that_is_not_there_proves_nothing(tmp_path: Path) -> None:
    box = outbox(tmp_path / "not mounted")
    with pytest.raises(FileNotFoundError):
        asyncio.run(box.ask(batch(1)))
    with pytest.raises(AccountError, match="is not there, or is no Maildir; is its disk mounted"):
        asyncio.run(box.hand_over(batch(1)))
    assert not (tmp_path / "not mounted").exists()


def test_a_half_written_message_does_not_count_and_is_written_anew(tmp_path: Path) -> None:
    box = opened(tmp_path)
    (tmp_path / "tmp" / "m1.digest").write_text("half a mess")
    assert asyncio.run(box.ask(batch(1))) == {}
    asyncio.run(box.hand_over(batch(1)))
    assert len(list(mailbox.Maildir(tmp_path, create=False))) == 1
    assert b"Hello 1," in (tmp_path / "new" / "m1.digest").read_bytes()


def test_another_message_is_encoded_anew(tmp_path: Path) -> None:
    box = opened(tmp_path)
    asyncio.run(box.hand_over(batch(1)))
    asyncio.run(box.hand_over(replace(batch(2), message=replace(MESSAGE, subject="Another"))))
    assert b"Subject: Another" in (tmp_path / "new" / "m2.digest").read_bytes()
    assert b"Subject: Subject" in (tmp_path / "new" / "m1.digest").read_bytes()


def test_what_is_written_is_on_the_disk_when_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    asyncio.run(opened(tmp_path).hand_over(batch(1, 2)))
    assert sorted(synced[:2]) == ["m1.digest", "m2.digest"]
    assert synced[2:] == ["new"]


def test_its_account_is_its_folder_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outbox(tmp_path / "box").account == str(tmp_path / "box")
    monkeypatch.chdir(tmp_path)
    assert outbox(Path("box")).account == str(tmp_path / "box")


def test_a_relative_folder_of_the_settings_is_beside_the_store(tmp_path: Path) -> None:
    settings = Settings(db=tmp_path / "digest.db", outbox=Path("box"))
    assert connect("outbox", settings.options_for("outbox")).account == str(tmp_path / "box")


def test_its_pace_is_set_like_any_other_s(tmp_path: Path) -> None:
    assert outbox(tmp_path).pace == Pace(connections=1)
    assert outbox(tmp_path, connections=3, a_day=10).pace == Pace(connections=3, a_day=10)
    for wrong in ({"connections": 0}, {"connections": 65}, {"calls_a_second": -1}, {"fodder": 1}):
        with pytest.raises(ValidationError):
            outbox(tmp_path, **wrong)
    with pytest.raises(ValidationError, match="folder"):
        connect("outbox", {})
