"""Approving: what was checked is what is frozen, or nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from conftest import NOW
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import approval, editing, issues
from digest.issue.approval import Approved, BlockedError
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.run import IDS, run
from digest.issue.issues import Override
from digest.issue.model import Issue
from digest.settings import Settings
from digest.store import Database

NO_WAY_OUT = "<mj-section><mj-column><mj-text>{{ settings.postal_address }}</mj-text></mj-column></mj-section>\n"
NO_ADDRESS = NO_WAY_OUT.replace("{{ settings.postal_address }}", "Bye")
ONLY_LINKS = "{% for number, address in ref %}\n{{ number }} {{ address }}\n{% endfor %}"
"""Footers of one's own: the first lacks the link to unsubscribe, the others the postal address too."""

PLACEHOLDER = "Hello {{ first_name }}, ship or skip?"
"""A subject that the check `subject` blocks: nobody would fill it in."""


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 drafted."""
    issues.draft(sample, settings, now=NOW)
    return sample


@pytest.fixture
def blocked(draft: Database, settings: Settings) -> Database:
    """The same, with a subject that blocks it."""
    editing.edit(draft, 1, now=NOW, subject=PLACEHOLDER, settings=settings)
    return draft


def approve(
    db: Database,
    settings: Settings,
    *,
    at: datetime | None = None,
    expected: str | None = None,
    overrides: Mapping[str, str] | None = None,
    network: bool = False,
) -> Approved:
    return asyncio.run(
        approval.approve(
            db, settings, 1, now=NOW, at=at, expected=expected, overrides=overrides, network=network
        )
    )  # fmt: skip


def seen(db: Database, settings: Settings) -> str:
    """The hash of the content that somebody looks at."""
    return issues.content_hash(approval.mail_of(db, settings, 1).content)


def change_the_lead(db: Database) -> None:
    """The panel changes its mind about a tool of the lead."""
    lead = issues.load_draft(db, 1).placed[0].comparison
    db.execute(
        "UPDATE reviews SET verdict = 'skip' WHERE tool = (SELECT id FROM tools WHERE slug = ?)", [lead.left.slug]
    )


def own_footer(settings: Settings, text: str, name: str = "footer.mjml") -> Settings:
    """The settings of an operator who has one template of their own."""
    folder = settings.db.parent / "own"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return settings.model_copy(update={"templates": Path("own")})


def is_untouched(db: Database) -> bool:
    """Whether nothing was frozen of issue 1."""
    return issues.find_issue(db, 1).state == "draft" and issues.frozen(db, 1) is None and not overrides(db)


def overrides(db: Database) -> list[Override]:
    return issues.overrides_of(db, 1)


# What is frozen ------------------------------------------------------------------------------------------------------


def test_what_was_checked_is_what_is_frozen(draft: Database, settings: Settings) -> None:
    mail = approval.mail_of(draft, settings, 1)
    approved = approve(draft, settings)
    assert approved.issue == issues.find_issue(draft, 1)
    assert (approved.issue.state, approved.issue.approved_at) == ("approved", NOW)
    assert approved.issue.content_hash == issues.content_hash(mail.content)
    assert (approved.issue.html, approved.issue.text) == (mail.content.html, mail.content.text)
    assert approval.mail_of(draft, settings, 1).content == mail.content
    assert list(approved.findings) == asyncio.run(run(mail, network=False))
    assert (approved.overrides, overrides(draft)) == ((), [])


def test_what_only_warns_does_not_keep_an_issue_from_being_approved(draft: Database, settings: Settings) -> None:
    approved = approve(draft, settings)
    assert [(finding.check, finding.level) for finding in approved.findings if finding.level != "pass"] == [
        ("sender", "warn")
    ]


def test_it_is_approved_for_a_time(draft: Database, settings: Settings) -> None:
    at = NOW + timedelta(hours=1)
    assert approve(draft, settings, at=at).issue.scheduled_at == at
    assert approve(draft, settings, at=at + timedelta(days=1)).issue.scheduled_at == at + timedelta(days=1)


def test_what_was_made_smaller_to_fit_is_what_is_checked_and_frozen(draft: Database, settings: Settings) -> None:
    editing.edit(draft, 1, now=NOW, intro="A long story. " * 1200, settings=settings)
    mail = approval.mail_of(draft, settings, 1)
    assert mail.moved
    approved = approve(draft, settings)
    assert approved.issue.content_hash == issues.content_hash(mail.content)
    again = approval.mail_of(draft, settings, 1)
    assert (again.moved, again.draft.placed) == (mail.moved, mail.draft.placed)
    # What was chosen stays chosen: with a short introduction all have room again.
    editing.edit(draft, 1, now=NOW, intro="Short.", settings=settings)
    assert approval.mail_of(draft, settings, 1).moved == ()
    assert issues.check_issues(draft) == []


def test_an_issue_that_is_not_there(draft: Database, settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="there is no issue 2"):
        asyncio.run(approval.approve(draft, settings, 2, now=NOW, network=False))


def test_a_time_that_has_passed_is_refused_and_nothing_is_frozen(draft: Database, settings: Settings) -> None:
    with pytest.raises(StateError, match="has passed"):
        approve(draft, settings, at=NOW - timedelta(hours=1))
    assert is_untouched(draft)


# What blocks ---------------------------------------------------------------------------------------------------------


def test_a_check_that_blocks_keeps_an_issue_from_being_frozen(blocked: Database, settings: Settings) -> None:
    with pytest.raises(BlockedError) as stopped:
        approve(blocked, settings)
    (finding,) = stopped.value.findings
    assert (finding.check, finding.level) == ("subject", "block")
    assert str(stopped.value) == (
        f"issue 1 is not approved; these checks block it: subject. subject: {finding.what}."
        ' `digest check 1` says what to do; `--override subject="why"` approves it all the same'
    )
    assert is_untouched(blocked)


def test_a_footer_of_ones_own_without_a_way_out_blocks(draft: Database, settings: Settings) -> None:
    own = own_footer(settings, NO_WAY_OUT)
    with pytest.raises(BlockedError, match="these checks block it: unsubscribe") as stopped:
        approve(draft, own)
    assert [finding.where for finding in stopped.value.findings] == ["HTML"]
    assert is_untouched(draft)
    assert approve(draft, settings).issue.state == "approved"


def test_every_check_that_blocks_is_named_and_each_once(draft: Database, settings: Settings) -> None:
    editing.edit(draft, 1, now=NOW, subject=PLACEHOLDER, settings=settings)
    own = own_footer(settings, NO_ADDRESS)
    own = own_footer(own, ONLY_LINKS, "footer.txt")
    with pytest.raises(
        BlockedError, match=r"block it: unsubscribe, postal-address, subject\. unsubscribe: "
    ) as stopped:
        approve(draft, own)
    assert [finding.check for finding in stopped.value.findings] == [
        "unsubscribe", "unsubscribe", "postal-address", "postal-address", "subject"
    ]  # fmt: skip


def test_what_harms_only_people_warns_while_the_outbox_mails_nobody(draft: Database, settings: Settings) -> None:
    nobodys = settings.model_copy(update={"postal_address": ""})
    real = nobodys.model_copy(update={"provider": "resend"})
    assert (nobodys.mails_people, real.mails_people) == (False, True)
    with pytest.raises(BlockedError, match="block it: postal-address, sender"):
        approve(draft, real)
    assert is_untouched(draft)
    approved = approve(draft, nobodys)
    assert [(finding.check, finding.level) for finding in approved.findings if finding.level != "pass"] == [
        ("postal-address", "warn"),
        ("sender", "warn"),
    ]


def test_the_network_is_asked_only_where_that_is_wanted(
    draft: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    async def look(mail: Mail, *, network: bool) -> list[Finding]:
        asked.append(network)
        return []

    monkeypatch.setattr(approval, "run", look)
    approve(draft, settings, network=True)
    editing.edit(draft, 1, now=NOW, subject="Another subject", settings=settings)
    approve(draft, settings, network=False)
    assert asked == [True, False]


# All the same --------------------------------------------------------------------------------------------------------


def test_a_reason_passes_over_a_check_and_is_kept_with_what_was_found(blocked: Database, settings: Settings) -> None:
    with pytest.raises(BlockedError) as stopped:
        approve(blocked, settings)
    found = stopped.value.findings[0].what
    approved = approve(blocked, settings, overrides={"subject": " It is a quote.\n"})
    assert approved.issue.state == "approved"
    assert approved.overrides == (Override("subject", found, "It is a quote."),)
    assert overrides(blocked) == [Override("subject", found, "It is a quote.")]


def test_all_that_one_check_found_is_kept(draft: Database, settings: Settings) -> None:
    own = own_footer(settings, NO_WAY_OUT)
    own = own_footer(own, "{{ settings.postal_address }}\n" + ONLY_LINKS, "footer.txt")
    approve(draft, own, overrides={"unsubscribe": "It goes to ourselves."})
    (kept,) = overrides(draft)
    assert "the mail has no link to unsubscribe" in kept.found
    assert "; the plain text has no address to unsubscribe" in kept.found


def test_a_reason_for_one_check_does_not_pass_over_another(blocked: Database, settings: Settings) -> None:
    with pytest.raises(BlockedError, match="block it: subject"):
        approve(blocked, settings, overrides={"size": "It is meant to be long."})
    assert is_untouched(blocked)


def test_a_reason_for_what_does_not_block_is_not_kept(draft: Database, settings: Settings) -> None:
    assert approve(draft, settings, overrides={"sender": "It is a trial."}).overrides == ()
    assert overrides(draft) == []


def test_the_next_approval_forgets_what_was_passed_over(blocked: Database, settings: Settings) -> None:
    approve(blocked, settings, overrides={"subject": "It is a quote."})
    issue = editing.edit(blocked, 1, now=NOW, intro="Once more.", settings=settings)
    assert (issue.state, issue.html) == ("draft", None)
    with pytest.raises(BlockedError, match="block it: subject"):
        approve(blocked, settings)
    editing.edit(blocked, 1, now=NOW, subject="Ship it, or skip it?", settings=settings)
    assert approve(blocked, settings).overrides == ()
    assert overrides(blocked) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("unsubscibe", "override: no check is called 'unsubscibe'; did you mean 'unsubscribe'?"),
     ("dns-spff", "override: no check is called 'dns-spff'; did you mean 'dns-spf'?"),
     ("everything", "override: no check is called 'everything'"),
     ("", "override: no check is called ''")],
)  # fmt: skip
def test_a_reason_for_no_check_is_refused(blocked: Database, settings: Settings, name: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        approve(blocked, settings, overrides={"subject": "It is a quote.", name: "It is meant."})
    assert str(refused.value) == said
    assert is_untouched(blocked)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_empty_reason_is_none(blocked: Database, settings: Settings, reason: str) -> None:
    with pytest.raises(InputError, match=r'override: give a reason, such as subject="why"'):
        approve(blocked, settings, overrides={"subject": reason})
    assert is_untouched(blocked)


def test_every_check_can_be_named(draft: Database, settings: Settings) -> None:
    assert approve(draft, settings, overrides=dict.fromkeys(IDS, "It is a trial.")).overrides == ()


# What somebody looked at ---------------------------------------------------------------------------------------------


def test_what_was_looked_at_is_approved_by_the_beginning_of_its_hash(draft: Database, settings: Settings) -> None:
    known = seen(draft, settings)
    assert approve(draft, settings, expected=known[:12]).issue.content_hash == known
    editing.edit(draft, 1, now=NOW, subject="Another subject", settings=settings)
    assert approve(draft, settings, expected=seen(draft, settings)).issue.state == "approved"


def test_what_is_not_what_was_looked_at_is_refused(draft: Database, settings: Settings) -> None:
    known, other = seen(draft, settings), "0" * 64
    with pytest.raises(StateError) as refused:
        approve(draft, settings, expected=other)
    assert str(refused.value) == (
        f"issue 1 has changed since you looked at it: its content is {known[:12]}, not {other[:12]};"
        " look again with `digest check 1`"
    )
    assert is_untouched(draft)


def test_a_catalogue_that_changed_since_somebody_looked_is_refused(draft: Database, settings: Settings) -> None:
    known = seen(draft, settings)
    change_the_lead(draft)
    with pytest.raises(StateError, match="issue 1 has changed since you looked at it"):
        approve(draft, settings, expected=known)
    assert is_untouched(draft)


def test_a_catalogue_that_changes_while_the_checks_run_is_refused(
    draft: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(mail: Mail, *, network: bool) -> list[Finding]:
        change_the_lead(draft)
        return await run(mail, network=network)

    monkeypatch.setattr(approval, "run", look)
    with pytest.raises(StateError, match="issue 1 has changed since you looked at it"):
        approve(draft, settings)
    assert is_untouched(draft)


# An issue that is approved already -----------------------------------------------------------------------------------


def test_an_approved_issue_is_only_given_another_time(
    blocked: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = approve(blocked, settings, overrides={"subject": "It is a quote."}).issue
    change_the_lead(blocked)

    async def look(mail: Mail, *, network: bool) -> list[Finding]:
        raise AssertionError("it was checked again")

    monkeypatch.setattr(approval, "run", look)
    approved = approve(blocked, settings, at=NOW + timedelta(days=1))
    assert approved.issue.scheduled_at == NOW + timedelta(days=1)
    assert approved.issue.content_hash == before.content_hash
    assert [over.reason for over in overrides(blocked)] == ["It is a quote."]
    with pytest.raises(StateError, match="issue 1 is approved already, by the command line at"):
        approve(blocked, settings)


@pytest.mark.parametrize("state", ["sending", "paused", "sent", "cancelled"])
def test_what_is_past_approving_is_refused(draft: Database, settings: Settings, state: str) -> None:
    approve(draft, settings)
    draft.execute("UPDATE issues SET state = ?", [state])
    for at in (None, NOW + timedelta(days=1)):
        with pytest.raises(StateError, match=f"issue 1 is {state}; only one that is draft can be approved"):
            approve(draft, settings, at=at)


def test_an_edit_between_looking_and_giving_another_time_is_not_approved_unseen(
    draft: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(draft, settings)
    find = issues.find_issue

    def edited_meanwhile(db: Database, number: int) -> Issue:
        found = find(db, number)
        monkeypatch.setattr(issues, "find_issue", find)
        editing.edit(draft, 1, now=NOW, subject="{{ unseen }}", settings=settings)
        return found

    monkeypatch.setattr(issues, "find_issue", edited_meanwhile)
    with pytest.raises(StateError, match="is draft; only one that is approved can be given another time"):
        approve(draft, settings, at=NOW + timedelta(hours=1))
    assert issues.find_issue(draft, 1).state == "draft"
