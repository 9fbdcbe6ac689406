"""Magic links: each lets one editor into the desk, once.

A link that was asked for by mail is bound to the browser that asked, by a cookie: who reads the letter elsewhere, or
forwards it, lets nobody in. Invitations, and what the command line prints, work in any browser.

The store has the SHA-256 of a link's token, so that who reads the store cannot use one. The letter is written with a
salt in its row, which goes when the letter is mailed (`letters_salt_goes` in the store).
"""

from __future__ import annotations

import hmac
import re
import secrets
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.editors import audit, people, sessions
from digest.editors.audit import By
from digest.editors.people import Editor
from digest.editors.sessions import Here, Way, hashed
from digest.errors import NotFoundError
from digest.store import Database, writing
from digest.tokens import Signer, numbers_in

LASTS = timedelta(minutes=15)
PRINTED_LASTS = timedelta(hours=1)
INVITATION_LASTS = timedelta(days=3)

AN_HOUR = 6
"""Letters one editor gets in an hour: enough for who cannot find the first, too few to bury a mailbox."""

HOME = "/desk/"
WAY_LENGTH = 500
# A segment of a path, and a query (RFC 3986, 3.3 and 3.4), without what browsers take for something else: "//" begins a
# host, "\" is read as "/", and "." or "%2e" alone walks out of /desk/.
_SEGMENT = r"[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@-]*"
_WAY = re.compile(rf"/desk/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?(?:\?[\w.~!$&'()*+,;=:@/?%-]*)?", re.ASCII)
_SIGN_IN = re.compile(r"/desk/sign-(in|out)\b")

Trouble = Literal["cut", "elsewhere", "over", "used"]
"""Why a link lets nobody in: it is not whole or not ours; it was asked for in another browser; too late; not again."""


@dataclass(frozen=True)
class Link:
    """A link that works: whom it lets in, and where it leads."""

    id: int
    editor: Editor
    next: str


@dataclass(frozen=True)
class Entered:
    """Who was let in: the secret for the browser's cookie, and where to go."""

    secret: str
    next: str


def way_to(text: str) -> str:
    """Give where to go after signing in: what was asked for where that is a page of the desk, else its first page."""
    ours = len(text) <= WAY_LENGTH and _WAY.fullmatch(text) and not _SIGN_IN.match(text)
    return text if ours else HOME


class _UndoError(Exception):
    """What was done is to be undone."""


# Making one --------------------------------------------------------------------------------------------------------


def ask(db: Database, links: Signer, email: str, *, browser: str, next_: str = HOME, now: datetime) -> None:
    """Mail a link to an editor, for the browser with this secret.

    Whoever's address it is, the same is done, and nothing is said of it: for a stranger's, and where an editor got as
    many as an hour has, a link is written down that nobody is sent and that lets nobody in.

    Raises:
        InputError: it is no address.
    """
    read_address(email)
    with writing(db) as connection:
        try:
            editor: Editor | None = people.find_by_email(db, email)
        except NotFoundError:
            editor = None
        if editor is not None and _sent_lately(connection, editor.id, now) >= AN_HOUR:
            editor = None
        made = _make(connection, links, editor, browser=browser, next_=next_, lasts=LASTS, now=now)
        if editor is not None:
            _post(db, editor.email, made, now=now)
        else:
            _post_nothing(db, made, now)


def invite(db: Database, links: Signer, id_: int, *, by: By, now: datetime) -> Editor:
    """Mail an editor a link that works for days, in any browser.

    Raises:
        NotFoundError: there is no such editor any more.
    """
    with writing(db) as connection:
        editor = _expected(db, id_)
        made = _make(connection, links, editor, browser=None, next_=HOME, lasts=INVITATION_LASTS, now=now)
        _post(db, editor.email, made, now=now, by=by.who)
        audit.note(connection, by, "invited", f"editor {editor.id}", now=now)
        return editor


def print_link(db: Database, links: Signer, id_: int, *, by: By, now: datetime) -> str:
    """Give the token of a link that works for an hour, in any browser: for who cannot get mail, or not yet.

    Raises:
        NotFoundError: there is no such editor any more.
    """
    with writing(db) as connection:
        editor = _expected(db, id_)
        made = _make(connection, links, editor, browser=None, next_=HOME, lasts=PRINTED_LASTS, now=now)
        audit.note(connection, by, "printed a link for", f"editor {editor.id}", now=now)
    return str(made["token"])


def _expected(db: Database, id_: int) -> Editor:
    editor = people.find(db, id_)
    if editor.removed_at is not None:
        raise NotFoundError(f"{editor.name} is no editor any more; add the address again first")
    return editor


def _sent_lately(connection: sqlite3.Connection, editor: int, now: datetime) -> int:
    count: int = connection.execute(
        "SELECT count(*) FROM sign_in_links WHERE editor = ? AND created_at > ? AND browser IS NOT NULL",
        (editor, times.to_text(now - timedelta(hours=1))),
    ).fetchone()[0]
    return count


def _make(
    connection: sqlite3.Connection,
    links: Signer,
    editor: Editor | None,
    *,
    browser: str | None,
    next_: str,
    lasts: timedelta,
    now: datetime,
) -> dict[str, Any]:
    """Write a link down; give what its letter is written with, and its token."""
    ends, salt = int((now + lasts).timestamp()), secrets.token_hex(16)
    link: int = connection.execute(
        "INSERT INTO sign_in_links (token, editor, browser, next, created_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING id",
        (
            b"",
            editor.id if editor else None,
            hashed(browser) if browser is not None else None,
            way_to(next_),
            times.to_text(now),
            times.to_text(now + lasts),
        ),
    ).fetchone()[0]
    token = links.salted(salt).sign("desk", link, ends)
    connection.execute("UPDATE sign_in_links SET token = ? WHERE id = ?", (hashed(token), link))
    return {"link": link, "ends": ends, "salt": salt, "token": token}


def _post(db: Database, email: str, made: dict[str, Any], *, now: datetime, by: str = "") -> None:
    detail = {name: made[name] for name in ("link", "ends", "salt")} | ({"by": by} if by else {})
    letterbox.post(db, "sign-in", read_address(email), subscriber=None, now=now, detail=detail)


def _post_nothing(db: Database, made: dict[str, Any], now: datetime) -> None:
    """Take the time that a letter takes, and leave none: how long an answer took tells nobody whose address it was."""
    with suppress(_UndoError), writing(db):
        _post(db, "nobody@example.com", made, now=now)
        raise _UndoError


# Using one ---------------------------------------------------------------------------------------------------------


def look(db: Database, token: str, *, browser: str | None, now: datetime) -> Link | Trouble:
    """Tell what a link would do in a browser with this secret; nothing is done."""
    numbers = numbers_in(token)
    if numbers is None:
        return "cut"
    id_, ends = numbers
    row = db.conn.execute(
        "SELECT token, editor, browser, next, ends_at, used_at FROM sign_in_links WHERE id = ?", (id_,)
    ).fetchone()
    if row is None or not hmac.compare_digest(row[0], hashed(token)):
        # Rows of links that ended go after a while: what the token says of itself is all there is then.
        return "over" if ends <= now.timestamp() else "cut"
    _, editor, of_browser, next_, ends_at, used_at = row
    if used_at is not None:
        return "used"
    if ends_at <= times.to_text(now):
        return "over"
    if editor is None or (found := people.find(db, editor)).removed_at is not None:
        return "used"
    if of_browser is not None and (browser is None or not hmac.compare_digest(of_browser, hashed(browser))):
        return "elsewhere"
    return Link(id_, found, next_)


def enter(
    db: Database, token: str, *, browser: str | None, agent: str, instead_of: Here | None = None, now: datetime
) -> Entered | Trouble:
    """Use a link up, and begin a session; of two that use it at once, one wins.

    Args:
        db: the store.
        token: the link's.
        browser: the secret of the browser's cookie.
        agent: what the browser is called.
        instead_of: the session that the browser has, which ends.
        now: the moment.
    """
    with writing(db) as connection:
        link = look(db, token, browser=browser, now=now)
        if not isinstance(link, Link):
            return link
        # And what else this browser asked for: of two letters only one is needed.
        connection.execute(
            "UPDATE sign_in_links SET used_at = :now WHERE id = :id OR (editor = :editor AND used_at IS NULL"
            " AND browser = (SELECT browser FROM sign_in_links WHERE id = :id))",
            {"now": times.to_text(now), "id": link.id, "editor": link.editor.id},
        )
        secret = let_in(db, link.editor, way="link", agent=agent, instead_of=instead_of, now=now)
        return Entered(secret, link.next)


def let_in(
    db: Database, editor: Editor, *, way: Way, agent: str, instead_of: Here | None = None, now: datetime, **detail: str
) -> str:
    """Begin a session for somebody who has proven who it is; give the secret that is the browser's cookie."""
    with writing(db) as connection:
        if instead_of is not None:
            sessions.sign_out(db, instead_of, now=now)
        secret = sessions.begin(db, editor.id, way=way, browser=agent, now=now)
        by = By(editor.id, editor.name)
        audit.note(connection, by, "signed in", f"editor {editor.id}", now=now, way=way, browser=agent, **detail)
    return secret
