"""Links that let in: once, for a while, in the browser that asked, and nobody else."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from conftest import NOW
from digest.audience import letterbox
from digest.editors import audit, people, sessions, sign_in
from digest.editors.audit import COMMAND_LINE, By
from digest.editors.people import Editor
from digest.editors.sign_in import Entered, Link
from digest.errors import InputError, NotFoundError
from digest.sending.copies import Signers
from digest.sending.letter_writing import batch_of, ends_at
from digest.settings import Settings
from digest.store import open_store
from digest.tokens import TOKEN_LENGTH

MINE, OTHER = "m" * 43, "o" * 43


@pytest.fixture
def ann(db: Database) -> Editor:
    return people.add(db, "ann@example.com", name="Ann", by=COMMAND_LINE, now=NOW)


@pytest.fixture
def signers(db: Database, settings: Settings) -> Signers:
    return Signers.of(db, settings, now=NOW)


def mailed(db: Database, settings: Settings, signers: Signers) -> list[str]:
    """Mail what is due, and give the tokens that were in it."""
    tokens = []
    while letter := letterbox.claim(db, provider="outbox", account="", worker=1, now=NOW):
        text = batch_of(letter, settings, signers).message.text
        tokens.append("".join(text.texts).partition("/desk/sign-in/")[2][:TOKEN_LENGTH])
        letterbox.settle(db, letter, "sent", now=NOW)
    return tokens


def asked(db: Database, settings: Settings, signers: Signers, email: str = "ann@example.com", **more: str) -> str:
    sign_in.ask(db, signers.links, email, browser=MINE, now=NOW, **more)
    (token,) = mailed(db, settings, signers)
    return token


def enter(db: Database, token: str, browser: str | None = MINE, now: datetime = NOW) -> object:
    return sign_in.enter(db, token, browser=browser, agent="Firefox on Linux", now=now)


@pytest.mark.usefixtures("ann")
def test_a_link_lets_in_once(db: Database, settings: Settings, signers: Signers) -> None:
    token = asked(db, settings, signers)
    entered = enter(db, token)
    assert isinstance(entered, Entered)
    here = sessions.here(db, entered.secret, now=NOW)
    assert here is not None
    assert here.editor.email == "ann@example.com"
    assert enter(db, token) == "used"
    done = audit.done(db, limit=1)[0]
    assert (done.who, done.did, done.what) == ("Ann", "signed in", "editor 1")
    assert done.detail == {"way": "link", "browser": "Firefox on Linux"}


@pytest.mark.usefixtures("ann")
def test_looking_changes_nothing(db: Database, settings: Settings, signers: Signers) -> None:
    token = asked(db, settings, signers)
    for _ in range(3):
        assert isinstance(sign_in.look(db, token, browser=MINE, now=NOW), Link)
    assert isinstance(enter(db, token), Entered)


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("browser", [OTHER, None, ""])
def test_another_browser_is_not_let_in_and_does_not_use_the_link_up(
    db: Database, settings: Settings, signers: Signers, browser: str | None
) -> None:
    token = asked(db, settings, signers)
    assert enter(db, token, browser) == "elsewhere"
    assert isinstance(enter(db, token), Entered)


@pytest.mark.usefixtures("ann")
def test_a_link_ends(db: Database, settings: Settings, signers: Signers) -> None:
    token = asked(db, settings, signers)
    assert enter(db, token, now=NOW + sign_in.LASTS) == "over"
    assert isinstance(enter(db, token, now=NOW + sign_in.LASTS - timedelta(seconds=1)), Entered)


@pytest.mark.usefixtures("ann")
def test_a_link_that_was_changed_lets_nobody_in(db: Database, settings: Settings, signers: Signers) -> None:
    token = asked(db, settings, signers)
    for place, character in enumerate(token):
        other = "A" if character != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        # The first are its numbers: of another link, or one that says it ended long ago.
        assert enter(db, changed) in ("cut", "over"), place
    for cut in ("", token[:-1], f"{token}A", token.lower(), f" {token}", "é" * 24):
        assert enter(db, cut) in ("cut", "over"), cut
    assert isinstance(enter(db, token), Entered)


@pytest.mark.usefixtures("ann")
def test_the_token_of_another_store_with_the_same_numbers_lets_nobody_in(
    db: Database, settings: Settings, signers: Signers
) -> None:
    asked(db, settings, signers)
    forged = signers.links.sign("desk", 1, int((NOW + sign_in.LASTS).timestamp()))
    assert enter(db, forged) == "cut"


@pytest.mark.usefixtures("ann")
def test_the_store_has_nothing_that_lets_in_once_the_letter_is_mailed(
    db: Database, settings: Settings, signers: Signers
) -> None:
    sign_in.ask(db, signers.links, "ann@example.com", browser=MINE, now=NOW)
    (token,) = mailed(db, settings, signers)
    dump = "\n".join(db.conn.iterdump())
    assert token not in dump
    assert MINE not in dump
    entered = enter(db, token)
    assert isinstance(entered, Entered)
    assert entered.secret not in "\n".join(db.conn.iterdump())
    assert [json.loads(row[0]) for row in db.conn.execute("SELECT detail FROM letters")] == [{}]


@pytest.mark.usefixtures("ann")
def test_a_letter_that_is_written_twice_has_the_same_link(db: Database, settings: Settings, signers: Signers) -> None:
    sign_in.ask(db, signers.links, "ann@example.com", browser=MINE, now=NOW)
    letter = letterbox.claim(db, provider="outbox", account="", worker=1, now=NOW)
    assert letter is not None
    first, second = (batch_of(letter, settings, signers) for _ in range(2))
    assert first == second
    assert "for 15 minutes" in "".join(first.message.text.texts)
    assert ends_at(letter, settings) == NOW + sign_in.LASTS


@pytest.mark.usefixtures("ann")
def test_of_many_who_use_a_link_at_once_one_wins(db: Database, settings: Settings, signers: Signers) -> None:
    token = asked(db, settings, signers)
    came: list[object] = []
    together = threading.Barrier(8)

    def use() -> None:
        mine = open_store(settings.db)
        together.wait()
        came.append(enter(mine, token))
        mine.close()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in came) == ["Entered", *["str"] * 7]
    assert {one for one in came if isinstance(one, str)} == {"used"}


@pytest.mark.usefixtures("ann")
def test_of_two_letters_that_a_browser_asked_for_one_is_enough(
    db: Database, settings: Settings, signers: Signers
) -> None:
    first, second = asked(db, settings, signers), asked(db, settings, signers)
    assert isinstance(enter(db, second), Entered)
    assert enter(db, first) == "used"


# Who asks ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ann")
def test_a_strangers_address_is_mailed_nothing_and_leaves_the_same_trace(
    db: Database, settings: Settings, signers: Signers
) -> None:
    sign_in.ask(db, signers.links, "stranger@example.org", browser=MINE, now=NOW)
    assert mailed(db, settings, signers) == []
    columns = "browser, next, created_at, ends_at, used_at"
    asked(db, settings, signers)
    stranger, editor = db.conn.execute(f"SELECT {columns} FROM sign_in_links ORDER BY id").fetchall()
    assert stranger == editor
    assert "stranger@example.org" not in "\n".join(db.conn.iterdump())


@pytest.mark.usefixtures("ann")
def test_what_a_stranger_asked_for_lets_nobody_in_even_with_its_token(db: Database, signers: Signers) -> None:
    sign_in.ask(db, signers.links, "stranger@example.org", browser=MINE, now=NOW)
    token = signers.links.sign("desk", 1, int((NOW + sign_in.LASTS).timestamp()))
    db.conn.execute("UPDATE sign_in_links SET token = ?", (sessions.hashed(token),))
    assert enter(db, token) == "used"


@pytest.mark.usefixtures("ann")
def test_an_editor_is_mailed_so_many_letters_an_hour(db: Database, settings: Settings, signers: Signers) -> None:
    for _ in range(sign_in.AN_HOUR + 3):
        sign_in.ask(db, signers.links, "ann@example.com", browser=OTHER, now=NOW)
    assert len(mailed(db, settings, signers)) == sign_in.AN_HOUR
    sign_in.ask(db, signers.links, "ANN@Example.com", browser=MINE, now=NOW + timedelta(hours=1))
    assert letterbox.due(db, now=NOW + timedelta(hours=1)).queued


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("email", ["", "ann", "ann@", "ann@example.com\nBcc: x@example.org"])
def test_what_is_no_address_is_refused(db: Database, signers: Signers, email: str) -> None:
    with pytest.raises(InputError):
        sign_in.ask(db, signers.links, email, browser=MINE, now=NOW)
    assert db["sign_in_links"].count == 0


def test_who_was_removed_is_a_stranger(db: Database, settings: Settings, signers: Signers, ann: Editor) -> None:
    people.add(db, "bea@example.com", role="owner", by=COMMAND_LINE, now=NOW)
    token = asked(db, settings, signers)
    sign_in.ask(db, signers.links, "ann@example.com", browser=MINE, now=NOW)
    people.remove(db, ann.id, by=COMMAND_LINE, now=NOW)
    assert enter(db, token) == "used"
    # The letter that nobody had in hand is taken back.
    assert mailed(db, settings, signers) == []
    sign_in.ask(db, signers.links, "ann@example.com", browser=MINE, now=NOW)
    assert mailed(db, settings, signers) == []
    for make in (
        lambda: sign_in.print_link(db, signers.links, ann.id, by=COMMAND_LINE, now=NOW),
        lambda: sign_in.invite(db, signers.links, ann.id, by=COMMAND_LINE, now=NOW),
    ):
        with pytest.raises(NotFoundError, match="no editor any more"):
            make()


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(("reason", "letters"), [("unsubscribed", 1), ("hard bounce", 0), ("complaint", 0)])
def test_a_suppressed_address_is_mailed_only_where_it_left_the_newsletter(
    db: Database, settings: Settings, signers: Signers, reason: str, letters: int
) -> None:
    db.conn.execute(
        "INSERT INTO suppressions (email_key, reason, created_at) VALUES ('ann@example.com', ?, '2026')", (reason,)
    )
    sign_in.ask(db, signers.links, "ann@example.com", browser=MINE, now=NOW)
    assert len(mailed(db, settings, signers)) == letters


# Links that work anywhere ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("browser", [MINE, None])
def test_a_printed_link_works_in_any_browser_for_an_hour(
    db: Database, signers: Signers, ann: Editor, browser: str | None
) -> None:
    token = sign_in.print_link(db, signers.links, ann.id, by=COMMAND_LINE, now=NOW)
    assert enter(db, token, browser, NOW + timedelta(hours=1)) == "over"
    assert isinstance(enter(db, token, browser, NOW + timedelta(minutes=59)), Entered)
    assert enter(db, token, OTHER) == "used"


def test_an_invitation_works_for_days_and_says_who_invites(
    db: Database, settings: Settings, signers: Signers, ann: Editor
) -> None:
    bea = people.add(db, "bea@example.com", by=COMMAND_LINE, now=NOW)
    sign_in.invite(db, signers.links, bea.id, by=By(ann.id, "Ann"), now=NOW)
    letter = letterbox.claim(db, provider="outbox", account="", worker=1, now=NOW)
    assert letter is not None
    text = "".join(batch_of(letter, settings, signers).message.text.texts)
    assert "Ann has made you an editor" in " ".join(text.split())
    assert "for 3 days" in text
    token = text.partition("/desk/sign-in/")[2][:TOKEN_LENGTH]
    assert isinstance(enter(db, token, OTHER, NOW + timedelta(days=2)), Entered)
    assert [(one.who, one.did, one.what) for one in audit.done(db, limit=2)][1] == ("Ann", "invited", "editor 2")


# Where it leads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", ["/desk/", "/desk/issues/12", "/desk/issues/12/history?page=2&x=a%20b", "/desk/account"]
)
def test_it_leads_to_a_page_of_the_desk(way: str) -> None:
    assert sign_in.way_to(way) == way


@pytest.mark.parametrize(
    "way",
    [
        "", "/", "//evil.example", "/desk", "/deskevil/", "https://evil.example/desk/", "/desk//evil.example",
        "/desk/\\evil.example", "\\/desk/", "/desk/../evil", "/desk/./x", "/desk/%2e%2e/evil", "/desk/%5cevil",
        "/desk/a\r\nSet-Cookie: x", "/desk/ ", "/desk/x#y", "/desk/" + "x" * 500, "/desk/?\\", "/desk/é",
        "/desk/sign-in", "/desk/sign-in/x", "/desk/sign-out", "javascript:alert(1)", "/desk/x\t", "/desk/x\n",
    ],
)  # fmt: skip
def test_it_leads_nowhere_else(way: str) -> None:
    assert sign_in.way_to(way) == "/desk/"


@given(st.text(alphabet="/desk\\.%2e:?@#a ", max_size=30).map(lambda rest: f"/desk/{rest}"))
def test_whatever_is_asked_for_stays_at_the_desk(way: str) -> None:
    to = urlsplit(urljoin("https://ours.example/desk/sign-in", sign_in.way_to(way)))
    assert (to.scheme, to.netloc) == ("https", "ours.example")
    assert to.path.startswith("/desk/")


def test_a_way_that_would_take_for_ever_to_read_does_not() -> None:
    assert sign_in.way_to("/desk/" + "a" * 480 + "\\") == "/desk/"


@pytest.mark.usefixtures("ann")
def test_where_it_leads_is_kept_with_the_link(db: Database, settings: Settings, signers: Signers) -> None:
    sign_in.ask(db, signers.links, "ann@example.com", browser=MINE, next_="/desk/issues/7", now=NOW)
    sign_in.ask(db, signers.links, "ann@example.com", browser=OTHER, next_="//evil.example", now=NOW)
    first, second = mailed(db, settings, signers)
    entered, other = enter(db, first), enter(db, second, OTHER)
    assert isinstance(entered, Entered)
    assert isinstance(other, Entered)
    assert (entered.next, other.next) == ("/desk/issues/7", "/desk/")


# Sessions ----------------------------------------------------------------------------------------------------------


def test_signing_in_again_ends_the_session_the_browser_had(db: Database, signers: Signers, ann: Editor) -> None:
    secret = sessions.begin(db, ann.id, way="link", browser="Tests", now=NOW)
    before = sessions.here(db, secret, now=NOW)
    token = sign_in.print_link(db, signers.links, ann.id, by=COMMAND_LINE, now=NOW)
    entered = sign_in.enter(db, token, browser=None, agent="Tests", instead_of=before, now=NOW)
    assert isinstance(entered, Entered)
    assert entered.secret != secret
    assert sessions.here(db, secret, now=NOW) is None
    assert len(sessions.of(db, ann.id, now=NOW)) == 1


def test_a_session_ends_by_itself(db: Database, ann: Editor) -> None:
    secret = sessions.begin(db, ann.id, way="link", browser="Tests", now=NOW)
    moment = NOW
    while moment < NOW + sessions.LASTS - timedelta(days=6):
        moment += timedelta(days=6)
        assert sessions.here(db, secret, now=moment) is not None
    assert sessions.here(db, secret, now=NOW + sessions.LASTS) is None
    idle = sessions.begin(db, ann.id, way="link", browser="Tests", now=NOW)
    assert sessions.here(db, idle, now=NOW + sessions.IDLE) is None


def test_who_ends_whose_session_is_written_down(db: Database, ann: Editor) -> None:
    bea = people.add(db, "bea@example.com", by=COMMAND_LINE, now=NOW)
    sessions.begin(db, bea.id, way="link", browser="Tests", now=NOW)
    (session,) = sessions.of(db, bea.id, now=NOW)
    assert not sessions.end(db, session.id, editor=ann.id, by=By(ann.id, "Ann"), now=NOW)
    assert sessions.end(db, session.id, editor=bea.id, by=By(ann.id, "Ann"), now=NOW)
    done = audit.done(db, limit=1)[0]
    assert (done.editor, done.did, done.what) == (ann.id, "ended a session of", f"editor {bea.id}")
    assert sessions.of(db, bea.id, now=NOW) == []
