"""Whether the settings are those of a newsletter that mails people, and whether their secrets are kept."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from digest.doctor.model import Case, Finding
from digest.errors import SettingsError
from digest.issue.checks.duties import is_nobodys
from digest.providers import names as provider_names
from digest.sources import ENV_PREFIX, FILE_SUFFIX, holds_secret

WORDS = "what is set, and who can read the secrets"
PLACE = 10
NETWORK = False
SECONDS: float | None = 30

_say = partial(Finding, "settings")


def look(case: Case) -> Iterator[Finding]:
    """Look at what is set; what a setting cannot be was refused before this."""
    for words in case.loaded.warnings:
        yield _say("passed-over", "warn", words, todo="take it away, or spell it as `digest settings` does")
    yield _who(case)
    yield from _site(case)
    yield from _sender(case)
    yield from _providers(case)
    yield _approval(case)
    yield from _readable(case)


def _who(case: Case) -> Finding:
    settings = case.settings
    if case.settings.mails_people:
        by = ", ".join(filter(None, dict.fromkeys((settings.provider, settings.failover, settings.letters_provider))))
        return _say("people", "pass", f"mail goes to people, by {by}")
    words = "mail goes to a folder of this machine and to nobody: the provider is the outbox"
    return _say("people", "pass", words, "provider")


def _site(case: Case) -> Iterator[Finding]:
    url, host = case.settings.base_url, case.settings.host
    todo = "set base_url to the site's public address, with https://"
    if is_nobodys(host) or host in ("127.0.0.1", "::1"):
        yield _say("base-url", case.grave, f"base_url is {url}, which no reader can open", "base_url", todo)
    elif not url.startswith("https://"):
        words = f"base_url is {url}: without https, mail programs show no button to leave by one click (RFC 8058)"
        yield _say("base-url", case.grave, words, "base_url", todo)
    else:
        yield _say("base-url", "pass", f"links lead to {url}")


def _sender(case: Case) -> Iterator[Finding]:
    settings = case.settings
    domain = settings.sender_address.rpartition("@")[2]
    if is_nobodys(domain):
        words = f"sender_address is {settings.sender_address}, and nobody can own {domain}: such mail is refused"
        yield _say("sender", case.grave, words, "sender_address", "set it to an address of your own domain")
    else:
        yield _say("sender", "pass", f"mail is from {settings.sender_address}")
    if not settings.postal_address:
        words = "postal_address is empty: bulk mail must carry one by law in the US, Canada and the EU"
        todo = "set it to a street address or a post office box at which you get mail"
        yield _say("postal-address", case.grave, words, "postal_address", todo)
    else:
        yield _say("postal-address", "pass", "mail carries a postal address")


def _providers(case: Case) -> Iterator[Finding]:
    settings = case.settings
    for role in ("provider", "failover", "letters_provider"):
        if name := getattr(settings, role):
            try:
                settings.options_for(name)
            except SettingsError as error:
                yield _say("options", "bad", str(error), role, "set what is missing", f"digest providers {name}")


def _approval(case: Case) -> Finding:
    if not case.settings.auto_approve:
        return _say("approval", "pass", "a person approves every issue")
    words = "an issue that nobody approved goes out at its usual time, where every check passes (auto_approve)"
    return _say("approval", "pass", words, "auto_approve")


def _readable(case: Case) -> Iterator[Finding]:
    """Find what everybody who has a login on this machine can read."""
    bare = 0
    for path, what in _secret_files(case):
        bare += is_open(path)
        if is_open(path):
            words = f"everybody on this machine can read {path}, {what}"
            command = f"chmod {'700' if path.is_dir() else '600'} {path}"
            yield _say("permissions", "warn", words, str(path), "let only its owner read it", command)
    if not bare:
        yield _say("permissions", "pass", "others on this machine can read neither the store nor the secrets")


def is_open(path: Path) -> bool:
    """Tell whether others than owner and group can read a file, or look into a folder, and reach it."""
    try:
        path = path.resolve()
        return bool(path.stat().st_mode & 0o004) and all(one.stat().st_mode & 0o001 for one in path.parents)
    except OSError:
        return False


def _secret_files(case: Case) -> Iterator[tuple[Path, str]]:
    settings, sources = case.settings, case.loaded.sources
    yield settings.db, "which has readers' addresses and the keys of their links"
    if settings.backup_folder is not None and settings.backup_folder.is_dir():
        yield settings.backup_folder, "which has copies of the store"
    files = {Path(source) for name, source in sources.items() if holds_secret(name)}
    written = [file for file in files if file.suffix and file.is_file()]
    for file in sorted(written):
        if any(
            not _is_named(file, name) for name, source in sources.items() if holds_secret(name) and source == str(file)
        ):
            yield file, "which has secrets in it"
    named = {*_named_by_environment(), *(one for file in written for one in _named_in(file).values())}
    yield from ((file, "which holds a secret") for file in sorted(named) if file.is_file())


def _is_named(file: Path, name: str) -> bool:
    """Tell whether a settings file gives a secret by the name of another file."""
    return name in _named_in(file)


def _named_in(file: Path) -> dict[str, Path]:
    """Give the files that a settings file names, by the names of the secrets in them."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    pairs = {
        **tables,
        **{f"{name}.{option}": value for name in provider_names() for option, value in _table(tables, name).items()},
    }
    found = {name.removesuffix(FILE_SUFFIX): value for name, value in pairs.items() if name.endswith(FILE_SUFFIX)}
    return {name: Path(str(value)) for name, value in found.items() if holds_secret(name)}


def _table(tables: dict[str, object], name: str) -> dict[str, object]:
    found = tables.get(name)
    return found if isinstance(found, dict) else {}


def _named_by_environment() -> Iterator[Path]:
    for name, value in os.environ.items():
        if name.upper().startswith(ENV_PREFIX) and name.upper().endswith(FILE_SUFFIX.upper()) and value:
            yield Path(value)
