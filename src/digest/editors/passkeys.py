"""Passkeys: what lets an editor in without a letter. The private half never leaves the editor's device.

WebAuthn Level 3, https://www.w3.org/TR/webauthn-3/: registering is 7.1, signing in 7.2; py_webauthn does the reading of
what devices answer. Ours are discoverable, so that nobody types an address, and each use asks for finger, face or PIN,
so that a device that was found opens nothing. What is signed is drawn anew each time, bound to the browser that asked,
and taken back once.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from digest import times
from digest.editors import audit, people, sign_in
from digest.editors.audit import By
from digest.editors.sessions import Here, hashed
from digest.errors import InputError, NotFoundError, StateError
from digest.settings import Settings
from digest.store import Database, writing

Purpose = Literal["add", "sign in"]
Verified = TypeVar("Verified")

LASTS = timedelta(minutes=5)
"""So long a device may take to answer: WebAuthn (15.1) recommends up to ten minutes where somebody must be verified."""

MOST = 20
"""Passkeys one editor may have."""

NAME_LENGTH = 60
_TRANSPORTS = ("ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb")
_USUAL = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Passkey:
    """A passkey for its owner to look at. Moments are UTC text."""

    id: str
    name: str
    created_at: str
    used_at: str | None


@dataclass(frozen=True)
class Site:
    """Where passkeys work: for the host of the public address, and on pages of that origin alone."""

    host: str
    origin: str
    name: str

    @classmethod
    def of(cls, settings: Settings) -> Site | None:
        """Give it; None where the public address is none that browsers allow passkeys for: https, or this machine."""
        parts = urlsplit(settings.base_url)
        host = (parts.hostname or "").lower()
        if parts.scheme != "https" and host != "localhost" and not host.endswith(".localhost"):
            return None
        try:
            ip_address(host)
        except ValueError:
            port = "" if parts.port in (None, _USUAL[parts.scheme]) else f":{parts.port}"
            return cls(host, f"{parts.scheme}://{host}{port}", settings.newsletter_name)
        return None


def of(db: Database, editor: int) -> list[Passkey]:
    """Give an editor's passkeys, the oldest first."""
    rows = db.conn.execute(
        "SELECT id, name, created_at, used_at FROM passkeys WHERE editor = ? ORDER BY created_at, id", (editor,)
    )
    return [Passkey(_coded(id_), *rest) for id_, *rest in rows]


# Adding one --------------------------------------------------------------------------------------------------------


def begin_adding(db: Database, site: Site, here: Here, *, now: datetime) -> dict[str, Any]:
    """Give what the browser asks its device for, as JSON has it (`PublicKeyCredentialCreationOptionsJSON`).

    Raises:
        StateError: there are so many already that one more would be a mistake.
    """
    # Here, because loading it takes 0.2 s, which only who has passkeys should wait for.
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    mine = of(db, here.editor.id)
    if len(mine) >= MOST:
        raise StateError(f"you have {MOST} passkeys; remove one that you do not use")
    options = generate_registration_options(
        rp_id=site.host,
        rp_name=site.name,
        user_id=_handle(db, here.editor.id),
        user_name=here.editor.email,
        user_display_name=here.editor.name,
        challenge=_challenge(db, "add", browser=here.csrf, editor=here.editor.id, now=now),
        timeout=_milliseconds(LASTS),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(_decoded(passkey.id)) for passkey in mine],
    )
    return _object(options_to_json(options))


def add(db: Database, site: Site, here: Here, answer: str, *, name: str, now: datetime) -> Passkey:
    """Add the passkey that a device answered with.

    Raises:
        InputError: the answer is not what was asked for, or the name is too long.
        StateError: the passkey is there already.
    """
    from webauthn import verify_registration_response

    label = _name(name)
    given = _object(answer)
    challenge = _take(db, "add", given, browser=here.csrf, editor=here.editor.id, now=now)
    found = _verified(
        lambda: verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    )
    told = given["response"].get("transports")
    transports = [one for one in told if one in _TRANSPORTS] if isinstance(told, list) else []
    with writing(db) as connection:
        if connection.execute("SELECT 1 FROM passkeys WHERE id = ?", (found.credential_id,)).fetchone():
            raise StateError("this passkey is there already")
        connection.execute(
            "INSERT INTO passkeys (id, editor, name, public_key, sign_count, transports, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                found.credential_id,
                here.editor.id,
                label,
                found.credential_public_key,
                found.sign_count,
                json.dumps(transports),
                times.to_text(now),
            ),
        )
        audit.note(connection, here.by, "added a passkey to", f"editor {here.editor.id}", now=now, name=label)
    return Passkey(_coded(found.credential_id), label, times.to_text(now), None)


def rename(db: Database, id_: str, *, editor: int, name: str) -> None:
    """Give a passkey another name.

    Raises:
        NotFoundError: the editor has none such.
    """
    with writing(db) as connection:
        sql = "UPDATE passkeys SET name = ? WHERE id = ? AND editor = ?"
        if not connection.execute(sql, (_name(name), _decoded(id_), editor)).rowcount:
            raise NotFoundError("you have no such passkey")


def remove(db: Database, id_: str, *, editor: int, by: By, now: datetime) -> None:
    """Remove a passkey: it lets nobody in any more.

    Raises:
        NotFoundError: the editor has none such.
    """
    with writing(db) as connection:
        sql = "DELETE FROM passkeys WHERE id = ? AND editor = ? RETURNING name"
        row = connection.execute(sql, (_decoded(id_), editor)).fetchone()
        if row is None:
            raise NotFoundError("you have no such passkey")
        audit.note(connection, by, "removed a passkey from", f"editor {editor}", now=now, name=row[0])


# Signing in with one -----------------------------------------------------------------------------------------------


def begin_signing_in(db: Database, site: Site, *, browser: str, now: datetime) -> dict[str, Any]:
    """Give what the browser asks its devices for, whosever they are (`PublicKeyCredentialRequestOptionsJSON`)."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=site.host,
        challenge=_challenge(db, "sign in", browser=browser, editor=None, now=now),
        timeout=_milliseconds(LASTS),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _object(options_to_json(options))


def enter(
    db: Database, site: Site, answer: str, *, browser: str, agent: str, instead_of: Here | None = None, now: datetime
) -> str:
    """Begin a session for whose passkey a device answered with; give the secret that is the browser's cookie.

    Raises:
        InputError: the answer is not what was asked for.
        NotFoundError: the passkey is nobody's any more.
    """
    from webauthn import verify_authentication_response

    given = _object(answer)
    challenge = _take(db, "sign in", given, browser=browser, editor=None, now=now)
    id_ = _decoded(str(given.get("rawId", "")))
    row = db.conn.execute(
        "SELECT p.editor, p.name, p.public_key, p.sign_count, e.handle FROM passkeys p"
        " JOIN editors e ON e.id = p.editor WHERE p.id = ? AND e.removed_at IS NULL",
        (id_,),
    ).fetchone()
    if row is None:
        raise NotFoundError("this passkey is not known here; it may have been removed. Sign in by mail instead")
    editor, name, public_key, sign_count, handle = row
    # Nobody typed who they are, so the device must say it, and the same as we have (7.2, step 6).
    if not hmac.compare_digest(_decoded(str(given["response"].get("userHandle", ""))), handle):
        raise _wrong("it is somebody else's")
    found = _verified(
        lambda: verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    )
    with writing(db) as connection:
        # By its count too: of two answers at once that have the same, one is a copy's.
        used = connection.execute(
            "UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ? AND sign_count = ?",
            (found.new_sign_count, times.to_text(now), id_, sign_count),
        ).rowcount
        if not used or (whose := people.find(db, editor)).removed_at is not None:
            raise NotFoundError("this passkey was removed or used a moment ago; please try again")
        return sign_in.let_in(db, whose, way="passkey", agent=agent, instead_of=instead_of, now=now, passkey=name)


# What is to be signed ----------------------------------------------------------------------------------------------


def _challenge(db: Database, purpose: Purpose, *, browser: str, editor: int | None, now: datetime) -> bytes:
    """Draw what a device is to sign, and write down for whom; what the browser asked for before ends."""
    challenge = secrets.token_bytes(32)
    with writing(db) as connection:
        connection.execute("DELETE FROM challenges WHERE browser = ? AND purpose = ?", (hashed(browser), purpose))
        connection.execute(
            "INSERT INTO challenges (challenge, purpose, editor, browser, ends_at) VALUES (?, ?, ?, ?, ?)",
            (hashed(_coded(challenge)), purpose, editor, hashed(browser), times.to_text(now + LASTS)),
        )
    return challenge


def _take(
    db: Database, purpose: Purpose, given: dict[str, Any], *, browser: str, editor: int | None, now: datetime
) -> bytes:
    """Take back what an answer says it signed: it is used once, whatever comes of it.

    Raises:
        InputError: it was not asked for by this browser for this, or is over.
    """
    try:
        client = json.loads(_decoded(given["response"]["clientDataJSON"]))
        challenge = _decoded(client["challenge"])
        framed = bool(client.get("crossOrigin"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _wrong("it cannot be read") from None
    with writing(db) as connection:
        taken = connection.execute(
            "DELETE FROM challenges WHERE challenge = ? AND purpose = ? AND browser = ? AND editor IS ?"
            " AND ends_at > ?",
            (hashed(_coded(challenge)), purpose, hashed(browser), editor, times.to_text(now)),
        ).rowcount
    if not taken:
        raise _wrong("it took too long, or was given before")
    if framed:
        raise _wrong("it was given inside another site's page")
    return challenge


def _verified(verify: Callable[[], Verified]) -> Verified:
    try:
        return verify()
    except Exception as error:  # what is wrong with bytes of a stranger's making can be anything
        raise _wrong(" ".join(str(error).split())[:200] or type(error).__name__) from None


def _wrong(why: str) -> InputError:
    return InputError(f"your device's answer does not fit: {why}. Please try again")


def _handle(db: Database, editor: int) -> bytes:
    return bytes(db.conn.execute("SELECT handle FROM editors WHERE id = ?", (editor,)).fetchone()[0])


def _name(text: str) -> str:
    name = " ".join(text.split()) or "Passkey"
    if len(name) > NAME_LENGTH:
        raise InputError(f"it has {len(name)} characters, more than the {NAME_LENGTH} it may have", field="name")
    return name


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong("it is not JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("response", {}), dict):
        raise _wrong("it is no object")
    return found


def _coded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Read base64url without its filler, as WebAuthn writes it; nothing where it is none."""
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return b""


def _milliseconds(span: timedelta) -> int:
    return int(span / timedelta(milliseconds=1))
