"""Test sends: what is kept of one gives the same mail however often it is made, and no longer than it is needed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sendings import SIGNERS

from conftest import NOW
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.audience.letterbox import Posted
from digest.editors.audit import COMMAND_LINE
from digest.errors import InputError, StateError
from digest.issue import editing, issues
from digest.providers.mime import MimeMessage
from digest.sending import trials
from digest.sending.foresight import foresee
from digest.settings import Settings
from digest.store import Database


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


def claimed(db: Database, settings: Settings, email: str = "ada@example.com") -> Posted:
    trials.send(db, settings, 1, [read_address(email)], by=COMMAND_LINE, now=NOW)
    letter = letterbox.claim(db, provider="x", account="y", worker=1, now=NOW)
    assert letter is not None
    return letter


def as_bytes(db: Database, settings: Settings, letter: Posted) -> bytes:
    batch = trials.batch_of(db, letter, settings, SIGNERS)
    return MimeMessage(batch.message).copy_for(batch.recipients[0], batch.date)


def test_the_same_bytes_again_though_the_issue_was_edited(draft: Database, settings: Settings) -> None:
    letter = claimed(draft, settings)
    before = as_bytes(draft, settings, letter)
    editing.edit(draft, 1, now=NOW, subject="Something else altogether", settings=settings)
    assert as_bytes(draft, settings, letter) == before


def test_of_what_is_sent_already_a_test_can_be_had(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    draft.execute("UPDATE issues SET state = 'sent'")
    assert issues.find_issue(draft, 1).subject.encode() in as_bytes(draft, settings, claimed(draft, settings))


def test_of_what_is_cancelled_none_can_be_had(draft: Database, settings: Settings) -> None:
    issues.cancel(draft, 1, now=NOW)
    with pytest.raises(StateError, match="issue 1 is cancelled"):
        claimed(draft, settings)


def test_what_it_was_made_of_goes_with_its_letters(draft: Database, settings: Settings) -> None:
    letter = claimed(draft, settings)
    later = NOW + letterbox.KEPT + timedelta(seconds=1)
    trials.send(draft, settings, 1, [read_address("bob@example.com")], by=COMMAND_LINE, now=later)
    with pytest.raises(StateError, match="is not kept any more"):
        as_bytes(draft, settings, letter)


def test_addresses_are_read_as_people_write_them() -> None:
    found = trials.read_addresses(" ada@example.com;\nBob@Example.org ,, ADA@example.com\n")
    assert [one.email for one in found] == ["ADA@example.com", "Bob@Example.org"]
    with pytest.raises(InputError, match="at least one"):
        trials.read_addresses(" ,\n")


def test_tests_and_letters_are_told_apart(draft: Database, settings: Settings) -> None:
    trials.send(draft, settings, 1, [read_address("ada@example.com")], by=COMMAND_LINE, now=NOW)
    assert letterbox.queued(draft, "tests", now=NOW)
    assert not letterbox.queued(draft, "letters", now=NOW)
    assert letterbox.claim(draft, provider="x", account="y", worker=1, now=NOW, sort="letters") is None
    assert letterbox.claim(draft, provider="x", account="y", worker=1, now=NOW, sort="tests") is not None


def test_what_is_foreseen_without_a_reader(draft: Database, settings: Settings) -> None:
    found = foresee(draft, settings, issues.load_draft(draft, 1), now=NOW)
    assert (found.audience, found.topics, found.provider, found.seconds, found.trouble) == (0, None, "outbox", None, "")


def test_a_provider_that_cannot_be_used_is_foreseen(draft: Database, settings: Settings) -> None:
    broken = settings.model_copy(update={"provider": "resend"})
    found = foresee(draft, broken, issues.load_draft(draft, 1), now=NOW)
    assert "key" in found.trouble
