from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from conftest import NOW
from digest.settings import Settings
from digest.store import Database
from digest.web.abuse.mail_hosts import MailHosts, is_disposable
from digest.web.abuse.networks import Networks, networks_of
from digest.web.abuse.proof import LIFE, Proof
from digest.web.abuse.windows import MOST, Window
from name_server import Server
from serving import Clock, Reader, served
from signing import JSON, altered, counted, letters, sign_up, solved

ATTEMPTS = 2_000


@pytest.fixture
def names() -> Iterator[Server]:
    server = Server()
    server.records = {
        "example.org": {"MX": ["10 mx.example.org."]},
        "bare.example.org": {"A": ["192.0.2.1"]},
        "six.example.org": {"AAAA": ["2001:db8::1"]},
        "null.example.org": {"MX": ["0 ."]},
        "empty.example.org": {"TXT": ["nothing else"]},
        "broken.example.org": {"SERVFAIL": []},
        "silent.example.org": {"SILENCE": []},
    }
    yield server
    server.close()


@pytest.fixture
def quiet(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A site with an empty catalogue, which these tests do not need."""
    with served(settings, clock) as reader:
        yield reader


def from_network(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def attempt(reader: Reader, email: str, moment: str, address: str, **fields: str) -> httpx.Response:
    data = {"email": email, "moment": moment, **fields}
    return reader.post("/sign-up", data=data, headers={**JSON, **from_network(address)})


def challenged(reader: Reader) -> tuple[str, str]:
    given = reader.get("/sign-up/challenge").json()
    return given["moment"], solved(given["challenge"])


# Single guards over HTTP ---------------------------------------------------------------------------------------------


def test_who_fills_in_the_trap_is_told_that_all_went_well(quiet: Reader, clock: Clock, db: Database) -> None:
    good = sign_up(quiet, clock, "person@example.org")
    trapped = sign_up(quiet, clock, "victim@example.org", homepage="https://spam.example")
    assert (trapped.status_code, trapped.headers["location"]) == (good.status_code, good.headers["location"])
    assert letters(db) == ["person@example.org"]
    assert db.conn.execute("SELECT count(*) FROM subscribers").fetchone() == (1,)


@pytest.mark.parametrize("seconds", [0, 1])
def test_who_is_too_quick_presses_once_more(quiet: Reader, clock: Clock, db: Database, seconds: int) -> None:
    moment = quiet.moment("/sign-up")
    clock.move_on(seconds=seconds)
    page = quiet.submit("/sign-up", moment=moment, email="ada@example.org", name="Ada")
    assert page.status_code == 200
    assert "One press" in page.text
    assert 'name="email" value="ada@example.org"' in page.text
    assert 'name="name" value="Ada"' in page.text
    assert letters(db) == []
    fresh = page.text.partition('name="moment" value="')[2].partition('"')[0]
    clock.move_on(seconds=1)
    again = quiet.submit("/sign-up", moment=fresh, email="ada@example.org", name="Ada")
    assert again.status_code == 303
    assert letters(db) == ["ada@example.org"]


def test_a_moment_that_is_missing_forged_old_or_yet_to_come_is_asked_for_anew(
    quiet: Reader, clock: Clock, db: Database
) -> None:
    good = quiet.moment("/sign-up")
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    clock.move_on(days=7, seconds=1)
    for moment in ("", forged, "x" * 24, good):
        assert "One press" in quiet.submit("/sign-up", moment=moment, email="ada@example.org").text
    later = quiet.moment("/sign-up")
    clock.move_on(hours=-1)
    assert "One press" in quiet.submit("/sign-up", moment=later, email="ada@example.org").text
    assert letters(db) == []


def test_a_network_that_signs_up_too_many_waits_and_is_told_how_long(quiet: Reader, clock: Clock, db: Database) -> None:
    for number in range(21):
        answer = sign_up(quiet, clock, f"r{number}@example.org")
    assert answer.status_code == 429
    assert 3400 < int(answer.headers["retry-after"]) <= 3600
    assert "Please try again in" in answer.text
    assert 'value="r20@example.org"' in answer.text
    assert len(letters(db)) == 20
    assert counted(db)["asked"] == 20
    clock.move_on(hours=1)
    assert sign_up(quiet, clock, "r20@example.org").status_code == 303
    assert counted(db)["network"] == 1


def test_proof_of_work_widens_what_a_network_may(quiet: Reader, clock: Clock, db: Database) -> None:
    for number in range(20):
        sign_up(quiet, clock, f"r{number}@example.org")
    assert sign_up(quiet, clock, "plain@example.org").status_code == 429
    _, solution = challenged(quiet)
    assert sign_up(quiet, clock, "ada@example.org", altcha=solution).status_code == 303
    assert sign_up(quiet, clock, "twice@example.org", altcha=solution).status_code == 429
    assert db.conn.execute("SELECT email FROM letters WHERE proven = 1").fetchall() == [("ada@example.org",)]


def test_without_proof_of_work_there_is_no_riddle(db: Database, tmp_path: Path, clock: Clock) -> None:
    with served(Settings(db=tmp_path / "digest.db", proof_of_work=False), clock) as reader:
        assert reader.get("/sign-up/challenge").json()["challenge"] is None


def test_beyond_the_brake_everybody_is_asked_to_come_back(db: Database, tmp_path: Path, clock: Clock) -> None:
    with served(Settings(db=tmp_path / "digest.db", sign_ups_per_hour=1, sign_ups_per_network=1000), clock) as reader:
        for number in range(40):
            answer = sign_up(reader, clock, f"r{number}@example.org")
    assert answer.status_code == 503
    assert "come back tomorrow" in answer.text
    assert answer.headers["retry-after"] == "3600"
    assert len(letters(db)) < 30
    assert counted(db)["brake"] >= 10


def test_throw_away_mailboxes_are_refused_where_that_is_wanted(db: Database, tmp_path: Path, clock: Clock) -> None:
    with served(Settings(db=tmp_path / "digest.db", disposable_addresses="refuse"), clock) as reader:
        answer = sign_up(reader, clock, "ada@mailinator.com")
        assert answer.status_code == 422
        assert "throw away" in answer.text
        assert sign_up(reader, clock, "ada@example.org").status_code == 303
    assert letters(db) == ["ada@example.org"]
    assert counted(db) == {"asked": 1, "disposable": 1}


def test_they_are_taken_where_it_is_not(quiet: Reader, clock: Clock, db: Database) -> None:
    sign_up(quiet, clock, "ada@mailinator.com")
    assert letters(db) == ["ada@mailinator.com"]


# A flood -------------------------------------------------------------------------------------------------------------


def test_a_flood_sends_few_letters_and_a_person_gets_through(quiet: Reader, clock: Clock, db: Database) -> None:
    """2,000 attempts of four kinds, mixed; `bench/sign_up_attack.py` does 10,000 of each."""
    moments = [quiet.get("/sign-up/challenge").json()["moment"] for _ in range(50)]
    clock.move_on(seconds=5)
    answers: list[int] = []
    for number in range(ATTEMPTS // 4):
        moment = moments[number % len(moments)]
        answers += [
            attempt(quiet, f"v{number}@example.org", moment, "198.51.100.9").status_code,
            attempt(quiet, "one@example.org", moment, f"10.0.{number // 250}.{number % 250}").status_code,
            attempt(quiet, f"t{number}@example.org", moment, "198.51.100.8", homepage="x").status_code,
            attempt(quiet, f"q{number}@example.org", "", "198.51.100.7").status_code,
        ]
        if number == 250:
            person = sign_up(quiet, clock, "person@example.org")
            assert (person.status_code, person.headers["location"]) == (303, "/sign-up/sent")
    sent = letters(db)
    assert "person@example.org" in sent
    assert len(sent) <= 20 + 3 + 1
    assert sent.count("one@example.org") <= 3
    due = db.conn.execute("SELECT not_before FROM letters WHERE email = 'person@example.org'").fetchone()[0]
    assert datetime.fromisoformat(due) <= clock.now
    assert set(answers) <= {202, 409, 429}


# The guards by themselves --------------------------------------------------------------------------------------------


def test_a_window_moves_along_with_the_clock() -> None:
    window = Window(2, timedelta(hours=1))
    assert window.take("a", NOW) is None
    assert window.take("a", NOW + timedelta(minutes=30)) is None
    assert window.take("a", NOW + timedelta(minutes=40)) == timedelta(minutes=20)
    assert window.take("b", NOW + timedelta(minutes=40)) is None
    assert window.take("a", NOW + timedelta(minutes=60)) is None
    assert window.take("a", NOW + timedelta(minutes=61)) == timedelta(minutes=29)


def test_a_window_forgets_what_is_over_and_never_keeps_too_much() -> None:
    window = Window(1, timedelta(hours=1))
    for number in range(MOST + 100):
        window.take(str(number), NOW)
    assert len(window._done) == MOST
    window.take("later", NOW + timedelta(hours=2))
    assert len(window._done) == 1


def test_a_network_is_one_address_or_a_customers_share_of_ipv6() -> None:
    assert networks_of("203.0.113.7") == [("203.0.113.7", 1)]
    assert networks_of("::ffff:203.0.113.7") == [("203.0.113.7", 1)]
    assert networks_of("2001:db8:1:2:aaaa::1") == [("2001:db8:1:2::/64", 1), ("2001:db8:1::/48", 10)]
    assert networks_of("fe80::1%eth0")[0] == ("fe80::/64", 1)
    assert networks_of("") == [("", 1)]


def test_many_networks_of_one_ipv6_site_are_limited_together() -> None:
    networks = Networks(2)
    taken = [networks.take(f"2001:db8:1:{number:x}::1", proven=False, now=NOW) is None for number in range(40)]
    assert sum(taken) == 20


def test_a_solution_counts_once_in_time_and_for_our_riddle_only() -> None:
    proof = Proof(b"k" * 32)
    solution = solved(proof.challenge(NOW))
    assert not Proof(b"o" * 32).holds(solution, NOW)
    assert not proof.holds(altered(solution, cost=1), NOW)
    assert not proof.holds(altered(solution, data={"until": 2**40}), NOW)
    assert not proof.holds(solution, NOW + LIFE)
    for nonsense in ("", "x", "bnVsbA==", "W10=", "e30=", "é", solution[:-8], "A" * 10_000):
        assert not proof.holds(nonsense, NOW)
    assert proof.holds(solution, NOW)
    assert not proof.holds(solution, NOW)


def test_disposable_domains_are_known_with_those_below_them() -> None:
    assert is_disposable("mailinator.com")
    assert is_disposable("Deep.Sub.Mailinator.com")
    assert not is_disposable("example.org")
    assert not is_disposable("com")


def takes_mail(names: Server, domain: str, hosts: MailHosts | None = None) -> bool:
    return asyncio.run((hosts or MailHosts(names.resolver())).take_mail(domain, NOW))


def test_a_domain_that_takes_no_mail_is_known_by_the_dns(names: Server) -> None:
    taking = {name: takes_mail(names, name) for name in (*names.records, "gone.example.net", "bücher.example.org")}
    assert taking == {
        "example.org": True,
        "bare.example.org": True,
        "six.example.org": True,
        "null.example.org": False,
        "empty.example.org": False,
        "broken.example.org": True,
        "silent.example.org": True,
        "gone.example.net": False,
        "bücher.example.org": False,
    }


def test_the_dns_is_asked_once_an_hour(names: Server) -> None:
    hosts = MailHosts(names.resolver())
    for _ in range(5):
        assert not takes_mail(names, "gone.example.net", hosts)
    assert len(names.asked) == 1


def test_a_sign_up_with_a_domain_that_takes_no_mail_is_refused_where_that_is_wanted(
    db: Database, tmp_path: Path, clock: Clock, names: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = names.resolver()
    monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: resolver)
    with served(Settings(db=tmp_path / "digest.db", check_mail_host=True), clock) as reader:
        answer = sign_up(reader, clock, "ada@null.example.org")
        assert answer.status_code == 422
        assert "is it spelled right?" in answer.text
        assert sign_up(reader, clock, "ada@silent.example.org").status_code == 303
    assert letters(db) == ["ada@silent.example.org"]
    assert counted(db) == {"asked": 1, "no mail host": 1}
