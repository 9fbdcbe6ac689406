"""Previews shared with people who have no account: made, told once, looked at, ended."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest.audience import subscribers
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import editing, issues, shares
from digest.sending import beginning
from digest.settings import Settings
from serving import Clock, Reader, dump

AT = "/desk/issues/1/sharing"


@pytest.fixture
def ann(reader: Reader, sample: Database, settings: Settings) -> Desk:
    subscribers.add(sample, "ada@example.com", now=NOW, name="Ada")
    assert issues.draft(sample, settings, now=NOW, since=NOW - timedelta(days=7)).issue
    return at_the_desk(reader, settings, "editor")


def share(ann: Desk, days: str = "3") -> str:
    """Make a link as the page does; give its path."""
    answer = ann.submit(AT, {"days": days})
    assert answer.status_code == 200
    found = re.findall(r"https://verdicts\.example\.com(/shared/[\w-]+)", answer.text)
    assert len(found) == 1, "it is shown once"
    return str(found[0])


def test_a_link_is_shown_once_and_its_secret_is_not_kept(ann: Desk, sample: Database) -> None:
    path = share(ann)
    secret = path.rpartition("/")[2]
    assert len(secret) == shares.LENGTH
    again = ann.get(AT).text
    assert secret not in again
    assert "Link 1, by <bdi>Ann</bdi>" in again
    assert "Sun 29 Nov 2026, 09:00 UTC" in again
    kept = str(dump(sample))
    assert secret not in kept
    [done] = audit.done(sample, limit=1)
    assert (done.who, done.did, done.what, done.detail["days"]) == ("Ann", "shared", "issue 1", 3)


def test_a_script_is_told_the_address_too(ann: Desk, reader: Reader) -> None:
    told = ann.ask(AT, {"days": "1"}).json()
    assert told["ends_at"] == "2026-11-27T09:00:00.000000Z"
    assert reader.get(told["address"].removeprefix("https://verdicts.example.com")).status_code == 200


def test_whoever_has_it_sees_the_issue_as_it_is_now(
    ann: Desk, reader: Reader, sample: Database, settings: Settings
) -> None:
    path = share(ann)
    page = reader.get(path)
    assert page.status_code == 200
    assert "A preview, not sent yet." in page.text
    assert "works until Sun 29 Nov 2026, 09:00 UTC" in page.text
    editing.edit(sample, 1, settings=settings, now=NOW, intro="Written after it was shared", subject="A new subject")
    assert "A new subject" in reader.get(path).text
    assert "Written after it was shared" in reader.get(f"{path}/mail").text
    assert "Written after it was shared" in reader.get(f"{path}/mail?show=text").text


def test_each_way_of_looking_has_an_address(ann: Desk, reader: Reader) -> None:
    path = share(ann)
    assert "as-phone" in reader.get(f"{path}?show=phone").text
    assert f'src="{path}/mail?show=wide&amp;scheme=dark"' in reader.get(f"{path}?scheme=dark").text
    assert "(min-width:0px)" in reader.get(f"{path}/mail?scheme=dark").text
    for wrong in (f"{path}?show=gmail", f"{path}?scheme=blue", f"{path}/mail?show=x"):
        assert reader.get(wrong).status_code == 400


def test_nothing_of_a_reader_and_nothing_of_the_desk_is_in_it(ann: Desk, reader: Reader) -> None:
    path = share(ann)
    for address in (path, f"{path}/mail", f"{path}/mail?show=text"):
        text = reader.get(address).text
        assert "Ada" not in text
        assert "[[digest:" not in text
        assert not re.search(r"/[upv]/\w", text), "no link of a reader's own"
        assert "/desk" not in text
        assert "Ann" not in text


def test_nobody_keeps_lists_or_learns_of_it(ann: Desk, reader: Reader) -> None:
    path = share(ann)
    for address in (path, f"{path}/mail", f"{path}/mail?show=text", "/shared/nothing"):
        headers = reader.get(address).headers
        assert headers["cache-control"] == "no-store", address
        assert "noindex" in headers["x-robots-tag"]
    for address in (path, f"{path}/mail", f"{path}/mail?show=text"):
        assert reader.get(address).headers["referrer-policy"] == "no-referrer"
    policy = reader.get(f"{path}/mail").headers["content-security-policy"]
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "allow-same-origin" not in policy
    assert "script" not in policy
    assert "Disallow: /shared/" in reader.get("/robots.txt").text


def test_a_link_ends_by_itself(ann: Desk, reader: Reader, clock: Clock) -> None:
    path = share(ann)
    clock.move_on(days=3, seconds=-1)
    assert reader.get(path).status_code == 200
    clock.move_on(seconds=1)
    over = reader.get(path)
    assert over.status_code == 410
    assert "This preview is over" in over.text
    assert "<iframe" not in over.text
    assert reader.get(f"{path}/mail").status_code == 410
    assert "its time is over" in ann.get(AT).text


def test_a_link_is_taken_back(ann: Desk, reader: Reader, sample: Database) -> None:
    first, second = share(ann), share(ann)
    answer = ann.submit(f"{AT}/1/revoke")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{AT}?done=revoked")
    assert "works no more" in ann.get(f"{AT}?done=revoked").text
    assert "was taken back" in reader.get(first).text
    assert reader.get(f"{first}/mail").status_code == 410
    assert reader.get(second).status_code == 200
    assert audit.done(sample, limit=1)[0].did == "took back a link to"
    assert ann.submit(f"{AT}/1/revoke").headers["location"] == AT, "it is over already"
    assert ann.submit(f"{AT}/7/revoke").status_code == 404
    assert ann.submit("/desk/issues/2/sharing/2/revoke").status_code == 404


def test_it_leads_to_the_issue_once_that_went_out(
    ann: Desk, reader: Reader, sample: Database, settings: Settings
) -> None:
    path = share(ann)
    issues.freeze(sample, settings, 1, now=NOW)
    assert reader.get(path).status_code == 200, "an approved one is not sent yet"
    beginning.begin(sample, settings, 1, now=NOW)
    over = reader.get(path)
    assert over.status_code == 410
    assert 'href="/issues/1"' in over.text
    assert reader.get(f"{path}/mail").status_code == 410
    assert ann.submit(AT, {"days": "3"}).status_code == 409
    assert 'href="/issues/1"' in ann.get(AT).text


def test_a_cancelled_issue_is_shared_no_more(ann: Desk, reader: Reader, sample: Database) -> None:
    path = share(ann)
    issues.cancel(sample, 1, now=NOW)
    assert "will not be sent" in reader.get(path).text
    assert ann.submit(AT, {"days": "3"}).status_code == 409


def test_a_made_up_link_opens_nothing(ann: Desk, reader: Reader) -> None:
    secret = share(ann).rpartition("/")[2]
    wrong = [
        secret[:-1],
        secret + "A",
        "A" * shares.LENGTH,
        secret[::-1],
        secret.swapcase(),
        "%00",
        "x" * 5_000,
        "é" * 43,
    ]
    for made_up in wrong:
        for address in (f"/shared/{made_up}", f"/shared/{made_up}/mail"):
            assert reader.get(address).status_code == 404, made_up


def test_days_that_are_not_offered_are_refused(ann: Desk, sample: Database) -> None:
    for days in ("", "0", "2", "-1", "365", "x", "9" * 400, "٣"):
        assert ann.submit(AT, {"days": days}).status_code == 400, days
    assert sample["shares"].count == 0


def test_what_is_not_there_cannot_be_shared(ann: Desk, sample: Database) -> None:
    for number in ("9", "0", "x", "9" * 30):
        assert 400 <= ann.get(f"/desk/issues/{number}/sharing").status_code < 500
        assert 400 <= ann.submit(f"/desk/issues/{number}/sharing", {"days": "3"}).status_code < 500
    with pytest.raises(NotFoundError):
        shares.make(sample, 9, days=3, by=COMMAND_LINE, now=NOW)
    with pytest.raises(InputError, match="1, 3, 7 or 14 days"):
        shares.make(sample, 1, days=2, by=COMMAND_LINE, now=NOW)


def test_there_are_only_so_many_at_a_time(ann: Desk, sample: Database) -> None:
    for _ in range(shares.MOST):
        shares.make(sample, 1, days=1, by=COMMAND_LINE, now=NOW)
    with pytest.raises(StateError, match="take some back"):
        shares.make(sample, 1, days=1, by=COMMAND_LINE, now=NOW)
    later = NOW + timedelta(days=2)
    secret, made = shares.make(sample, 1, days=1, by=COMMAND_LINE, now=later)
    assert made.by == "the command line"
    assert shares.find(sample, secret, now=later) == made
    assert len(ann.get(AT).text) > 1_000
