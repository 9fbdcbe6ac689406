from __future__ import annotations

import re
from datetime import timedelta

import pytest

from conftest import NOW
from digest.audience import leaving, signing_up
from digest.audience.addresses import read_address
from digest.audience.consents import Witness
from digest.audience.signing_up import Wish
from digest.audience.subscribers import suppress
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database
from digest.tokens import Signer
from serving import Clock, Reader, dump
from signing import link

ENDS = (NOW + timedelta(days=7)).timestamp()


@pytest.fixture
def links(sample: Database, settings: Settings) -> Signer:
    return Signers.of(sample, settings, now=NOW).links


@pytest.fixture
def ada(sample: Database, settings: Settings) -> int:
    wish = Wish(read_address("ada@example.org"), "Ada", "Europe/Berlin", ())
    signing_up.ask(sample, settings, wish, Witness("sign-up form"), now=NOW)
    found: int = sample.conn.execute("SELECT id FROM subscribers").fetchone()[0]
    return found


def state(db: Database) -> str:
    found: str = db.conn.execute("SELECT state FROM subscribers").fetchone()[0]
    return found


def test_the_link_leads_to_one_button_and_pressing_it_is_all(
    reader: Reader, sample: Database, links: Signer, ada: int
) -> None:
    before = dump(sample)
    path = link(links, ada, ENDS)
    for _ in range(2):
        page = reader.get(path)
        assert reader.head(path).status_code == page.status_code == 200
    assert dump(sample) == before
    main = page.text.partition("<main")[2].partition("</main>")[0]
    assert main.count("<button") == 1
    assert "<a " not in main
    assert f'action="{path}"' in main
    answer = reader.submit(path)
    assert answer.status_code == 200
    assert "You are in" in answer.text
    assert state(sample) == "active"
    assert sample.conn.execute("SELECT name, timezone FROM subscribers").fetchone() == ("Ada", "Europe/Berlin")
    token = re.search(r'href="/p/([^"]+)"', answer.text)
    assert token is not None
    assert links.read("copy", token[1]) == (0, ada)


def test_pressing_twice_welcomes_once(reader: Reader, sample: Database, links: Signer, ada: int) -> None:
    path = link(links, ada, ENDS)
    reader.submit(path)
    again = reader.submit(path)
    assert again.status_code == 200
    assert "You are in already" in again.text
    assert "You are in already" in reader.get(path).text
    assert sample.conn.execute("SELECT count(*) FROM letters WHERE kind = 'welcome'").fetchone() == (1,)


def test_a_letter_that_ran_out_offers_a_new_one(
    reader: Reader, clock: Clock, sample: Database, links: Signer, ada: int
) -> None:
    clock.move_on(days=8)
    for answer in (reader.get(link(links, ada, ENDS)), reader.submit(link(links, ada, ENDS))):
        assert answer.status_code == 410
        assert "has run out" in answer.text
        assert 'name="moment"' in answer.text
    assert state(sample) == "pending"


def test_a_forged_cut_or_foreign_link_does_nothing(reader: Reader, sample: Database, links: Signer, ada: int) -> None:
    good = link(links, ada, ENDS)
    before = dump(sample)
    foreign = f"/confirm/{links.sign('copy', 0, ada)}"
    other = f"/confirm/{Signer(b'x' * 32).sign('confirm', ada, int(ENDS))}"
    for path in (
        good[:-1],
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        foreign,
        other,
        "/confirm/%00",
        "/confirm/x",
    ):
        for answer in (reader.get(path), reader.submit(path)):
            assert answer.status_code == 400, path
            assert "not whole" in answer.text
    assert dump(sample) == before


def test_a_press_from_another_site_is_refused(reader: Reader, sample: Database, links: Signer, ada: int) -> None:
    answer = reader.post(link(links, ada, ENDS), headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert state(sample) == "pending"


def test_one_who_left_since_is_not_brought_back_by_the_old_letter(
    reader: Reader, sample: Database, links: Signer, ada: int
) -> None:
    reader.submit(link(links, ada, ENDS))
    leaving.leave(sample, ada, way="page", now=NOW)
    for answer in (reader.get(link(links, ada, ENDS)), reader.submit(link(links, ada, ENDS))):
        assert answer.status_code == 410
        assert "done its work" in answer.text
    assert state(sample) == "unsubscribed"


def test_one_whose_mail_bounced_is_told_so(reader: Reader, sample: Database, links: Signer, ada: int) -> None:
    suppress(sample, "ada@example.org", "hard bounce", now=NOW)
    answer = reader.submit(link(links, ada, ENDS))
    assert answer.status_code == 409
    assert "verdicts@example.com" in answer.text
    assert state(sample) == "pending"


def test_one_who_is_gone_is_asked_to_sign_up_anew(reader: Reader, links: Signer) -> None:
    assert reader.get(link(links, 77, ENDS)).status_code == 410
