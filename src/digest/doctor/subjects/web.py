"""Whether the site can be reached as readers and providers reach it: by its public address, over TLS, and as ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import httpx

from digest import times
from digest.doctor.model import CALL_S, Case, Finding
from digest.providers import hooks
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.tracking.hook_counting import UNCOUNTED, last_calls

WORDS = "the site by its public address, its certificate, the webhooks"
PLACE = 100
NETWORK = True
SECONDS: float | None = 60

_say = partial(Finding, "web")

SOON, LATE = timedelta(days=14), timedelta(days=3)
"""Certificates are renewed a month before their end, or a third of their time: so late, something is wrong."""
SILENT = timedelta(days=2)
"""After a send, a provider tells of deliveries within minutes."""
TAKEN_FOR = (400, 401, 403, 406, 422, 429, 503)
"""What a call that is not the provider's own is answered, by those of `providers/hooks`."""


def look(case: Case) -> Iterator[Finding]:
    """Call the site."""
    url, parts = case.settings.base_url, urlsplit(case.settings.base_url)
    with case.store() as db:
        token = Signers.of(db, case.settings, now=case.clock()).links.sign("copy", 0, 0)
        claimed = ledger.newest_claim(db)
        calls = {name: last_calls(db, name) for name in _told_by(case)}
    if parts.scheme == "https":
        yield from _certificate(case, parts.hostname or "", parts.port or 443)
    with case.client() as client:
        try:
            answer = client.get(url + f"/u/{token}")
        except httpx.HTTPError as error:
            words = f"{url} does not answer: {_why(error)}"
            todo = "start `digest serve`, and let the proxy before it pass everything on"
            yield _say("answers", case.grave, words, "base_url", todo, "digest serve")
            return
        ours = answer.status_code == 200
        yield _ours(case, answer)
        if parts.scheme == "https":
            yield from _headers(answer)
            yield from _redirects(case, client, parts.hostname or "", parts.port)
        for name in calls if ours else ():
            yield _hook(case, client, name, token)
    for name, outcomes in calls.items():
        yield from _called(case, name, outcomes, claimed)


def _told_by(case: Case) -> list[str]:
    settings = case.settings
    used = dict.fromkeys((settings.provider, settings.failover, settings.letters_provider))
    return [name for name in used if name in hooks.names()]


def _why(error: Exception) -> str:
    return f"{error or type(error).__name__}"


def _ours(case: Case, answer: httpx.Response) -> Finding:
    """Tell whether it is this store that answers: it knows its own signature, by which no reader's page is opened."""
    url = case.settings.base_url
    if answer.status_code == 200:
        return _say("answers", "pass", f"{url} answers, and it is this store that does")
    if answer.is_redirect:
        words = f"{url} leads on to {answer.headers.get('location', '?')[:200]}: a POST would lose its way"
        return _say(
            "answers", case.grave, words, "base_url", "set base_url to the address it leads to, or end the redirect"
        )
    if answer.status_code == 400:
        words = (
            f"{url} is answered by another store, or with another secret_key: links in mails would not be known there"
        )
        return _say(
            "answers", case.grave, words, "base_url", "let it serve this store, and set secret_key alike everywhere"
        )
    words = f"{url} answers {answer.status_code} where this store would answer 200"
    todo = "see what stands before `digest serve`: it must pass everything on, /u/ and /p/ too"
    return _say("answers", case.grave, words, "base_url", todo)


# TLS ---------------------------------------------------------------------------------------------------------------


def _certificate(case: Case, host: str, port: int) -> Iterator[Finding]:
    context = case.tls or httpx.create_ssl_context()
    try:
        with (
            socket.create_connection((host, port), timeout=CALL_S) as line,
            context.wrap_socket(line, server_hostname=host) as secured,
        ):
            ends = _end(secured.getpeercert())
    except ssl.SSLCertVerificationError as error:
        words = f"the certificate of {host} is not valid: {error.verify_message}"
        yield _say("certificate", "bad", words, host, "have the proxy get another one, and look at its log")
        return
    except OSError:
        return  # that nobody answers is told by the call itself
    left = ends - case.clock()
    when = times.for_people(ends, case.settings.zone)
    if left < SOON:
        words = f"the certificate of {host} ends in {times.span(left)}, on {when}, and was not renewed"
        todo = "see in the proxy's log why; port 80 must be open for most ways of renewing"
        yield _say("certificate", "bad" if left < LATE else "warn", words, host, todo)
    else:
        yield _say("certificate", "pass", f"the certificate of {host} is valid for {left.days} days more")


def _end(certificate: object) -> datetime:
    assert isinstance(certificate, dict)  # noqa: S101 (it was verified)
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def _headers(answer: httpx.Response) -> Iterator[Finding]:
    missing = [
        name
        for name in (
            "Strict-Transport-Security",
            "Content-Security-Policy",
            "X-Content-Type-Options",
            "Referrer-Policy",
        )
        if name not in answer.headers
    ]
    if missing:
        words = f"the site answers without {', '.join(missing)}: something before it takes them away"
        yield _say("headers", "warn", words, "base_url", "let the proxy pass the headers on")
    else:
        yield _say("headers", "pass", "HSTS and the other security headers arrive")


def _redirects(case: Case, client: httpx.Client, host: str, port: int | None) -> Iterator[Finding]:
    if port not in (None, 443):
        return
    try:
        answer = client.get(f"http://{host}/")
    except httpx.HTTPError:
        yield _say("redirect", "pass", f"nothing answers at http://{host}, so that nothing goes over it in the open")
        return
    if answer.is_redirect and answer.headers.get("location", "").startswith("https://"):
        yield _say("redirect", "pass", f"http://{host} leads on to https")
    else:
        words = f"http://{host} answers {answer.status_code} and does not lead on to https"
        yield _say("redirect", "warn", words, host, "have the proxy redirect all of it to https")


# Webhooks ----------------------------------------------------------------------------------------------------------


def _hook(case: Case, client: httpx.Client, name: str, token: str) -> Finding:
    """Call as the provider does, but without its signature: what refuses that is ours. Nobody counts it."""
    at = f"{case.settings.base_url}/hooks/{name}"
    try:
        answer = client.post(at, content=b"{}", headers={"Content-Type": "application/json", UNCOUNTED: token})
    except httpx.HTTPError as error:
        return _say("webhook", "bad", f"{at} does not answer: {_why(error)}", at, "let the proxy pass POST on")
    said = " ".join(answer.text.split())[:100]
    if said == "not set up":
        words = f"{at} refuses every call: what the calls of {name} are verified with is not set"
        return _say(
            "webhook", "warn", words, at, f"see docs/providers/{name}.md, “Webhooks”", f"digest providers {name}"
        )
    if answer.status_code in TAKEN_FOR:
        return _say("webhook", "pass", f"{at} can be reached, and refuses what is not from {name}")
    words = f"{at} answers {answer.status_code} to a call that is not from {name}"
    todo = "let the proxy pass POST on, with its body and its headers as they are"
    return _say("webhook", "bad" if answer.status_code != 200 else "warn", words, at, todo)


def _called(case: Case, name: str, outcomes: list[tuple[str, int, str]], claimed: datetime | None) -> Iterator[Finding]:
    """Tell whether a provider called since the last send."""
    taken = [hour for outcome, _, hour in outcomes if outcome in ("taken", "repeated")]
    last = max((datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC) for hour in taken), default=None)
    if claimed is None or case.clock() - claimed < timedelta(hours=1) or name != case.settings.provider:
        return
    if last is not None and last > claimed - SILENT:
        yield _say("called", "pass", f"{name} told us what became of copies, last on {last:%d %b %Y}")
        return
    words = f"{name} told us nothing since the last send{'' if last is None else f'; it last did on {last:%d %b %Y}'}"
    todo = f"set its webhook to {case.settings.base_url}/hooks/{name}: else bounces and complaints are not heard of"
    yield _say("called", "warn", words, f"docs/providers/{name}.md", todo, "digest events")
