"""Settings that may be chosen in the desk: which they are, and how what was chosen is laid over the operator's own.

The weakest of what is set: the file, the environment and the command line are stronger, so that whoever runs the
machine has the last word. Secrets, paths, addresses of machines and the provider are nobody's choice but theirs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from digest.contrast import AA
from digest.palettes import pairs
from digest.provider_options import reason_of
from digest.setting_rules import COLORS
from digest.settings import SETTINGS, Settings

Section = Literal["newsletter", "theme", "sender", "issue", "week", "readers"]

COLOR_SETTINGS = tuple(f"color_{name}{dark}" for dark in ("", "_dark") for name in COLORS)

_SECTIONS: Mapping[Section, tuple[str, ...]] = {
    "newsletter": (
        "newsletter_name",
        "newsletter_tagline",
        "language",
        "timezone",
        "postal_address",
        "social_links",
    ),
    "theme": (*COLOR_SETTINGS, "logo_url", "logo_width"),
    "sender": (
        "sender_name",
        "sender_address",
        "reply_to",
        "unsubscribe_mailto",
        "list_id",
        "dkim_selector",
    ),
    "issue": (
        "full_comparisons",
        "brief_comparisons",
        "off_topic",
        "topic_variants",
        "tracking",
        "utm",
        "hidden_link",
        "quiet_hours",
        "uncertain",
        "four_eyes",
    ),
    "week": ("draft_at", "send_at", "remind_hours", "auto_approve"),
    "readers": (
        "welcome_letter",
        "goodbye_letter",
        "confirm_days",
        "sign_ups_per_address",
        "sign_ups_per_network",
        "sign_ups_per_hour",
        "disposable_addresses",
        "check_mail_host",
    ),
}
SECTIONS: Mapping[Section, tuple[str, ...]] = {
    section: tuple(name for name in names if name in SETTINGS) for section, names in _SECTIONS.items()
}
"""What may be chosen, in the order of the desk's pages."""

SECTION_OF: Mapping[str, Section] = {name: section for section, names in SECTIONS.items() for name in names}
SECTION_NAMES: tuple[Section, ...] = get_args(Section)

GOES_NOT_WITH: Mapping[str, str] = {"auto_approve": "four_eyes"}
"""Of two that do not go together, the first is passed over, and named; the second only where it alone was chosen."""

_QUICK_S = 2.0
"""So long a command waits for the store to be read before it goes on without what was chosen."""


@dataclass(frozen=True)
class Laid:
    """The settings in force. `applied` are those that were chosen and count; `passed_over` says why others do not."""

    settings: Settings
    applied: frozenset[str] = frozenset()
    passed_over: Mapping[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of what is passed over: a line each."""
        return tuple(
            f"{name}, chosen in the desk, is passed over: {why}; choose another there, or set it in digest.toml"
            for name, why in self.passed_over.items()
        )


def read(connection: sqlite3.Connection) -> dict[str, str]:
    """Give what was chosen in the desk, as JSON, by the setting's name; nothing where the store is from before that."""
    try:
        return dict(connection.execute("SELECT name, value FROM chosen_settings ORDER BY name").fetchall())
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such table"):
            return {}
        raise


def read_file(path: Path) -> dict[str, str]:
    """Read what was chosen out of a store's file; nothing where there is no file, or it is none of ours.

    What is wrong with a file is told by whoever opens it, and says it better.

    Raises:
        sqlite3.OperationalError: it is there, and cannot be read now.
    """
    try:
        if not path.is_file() or path.stat().st_size == 0:
            return {}
    except OSError:
        return {}
    try:
        # For writing too: one that may only read leaves its -wal and -shm behind when it is the last to close the file
        # (https://sqlite.org/wal.html#read_only_databases). Nothing is written.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_QUICK_S)) as connection:
            connection.execute("PRAGMA query_only = ON")
            return read(connection)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return {}


def overlay(own: Settings, chosen: Mapping[str, str]) -> Laid:
    """Lay what was chosen over the defaults, where the operator set nothing.

    What is not valid any more, after an upgrade or beside what the operator sets by now, is passed over: it must not
    keep digest from starting.

    Args:
        own: what the operator set; what of it counts as set is `own.model_fields_set`.
        chosen: JSON by the setting's name, as `read` gives it.
    """
    wanted: dict[str, Any] = {}
    passed: dict[str, str] = {}
    for name, text in chosen.items():
        if name not in SECTION_OF:
            passed[name] = "there is no such setting to choose in this version"
        elif name not in own.model_fields_set:
            try:
                wanted[name] = json.loads(text)
            except ValueError:
                passed[name] = "its value cannot be read"
    while True:
        try:
            return Laid(together(own, wanted), frozenset(wanted), passed)
        except ValidationError as error:
            wrong = {name: why for name, why in problems(error, own, wanted).items() if name in wanted}
            if not wrong:
                raise
            passed |= wrong
            wanted = {name: value for name, value in wanted.items() if name not in wrong}


def together(own: Settings, chosen: Mapping[str, Any]) -> Settings:
    """Make the settings of the operator's own and what is chosen beside.

    Raises:
        ValidationError: they are wrong, or do not go together; `problems` says which.
    """
    return Settings(**{name: getattr(own, name) for name in own.model_fields_set}, **chosen)


def problems(error: ValidationError, own: Settings, chosen: Mapping[str, Any]) -> dict[str, str]:
    """Tell what is wrong with what is chosen, by the setting's name: of colours that cannot be read, both are named."""
    found: dict[str, str] = {}
    for wrong in error.errors():
        if wrong["loc"]:
            name = str(wrong["loc"][0])
            other = GOES_NOT_WITH.get(name, name)
            found.setdefault(other if name not in chosen and other in chosen else name, _plain(wrong, name))
    if found:
        return found
    colors = {name: str(chosen.get(name, getattr(own, name))) for name in COLOR_SETTINGS}
    for pair in pairs(colors):
        if not pair.passes:
            words = f"{pair.words} has a contrast of {pair.ratio:.1f}; text needs {AA}"
            for name in filter(None, (pair.text, pair.ground)):
                found.setdefault(name, words)
    # What else is wrong with all together is nothing that may be chosen here, or all of it may be to blame.
    return found or dict.fromkeys(chosen, reason_of(error.errors()[0], None))


def _plain(wrong: ErrorDetails, name: str) -> str:
    """Say what is wrong with a value, to somebody who knows of no types."""
    limits = wrong.get("ctx", {})
    match wrong["type"]:
        case "string_too_short":
            return "it is empty"
        case "string_too_long":
            return f"it has more than the {limits['max_length']} characters it may have"
        case "int_parsing" | "int_type" | "int_from_float":
            return "it is no whole number"
        case "greater_than_equal":
            return f"the least is {limits['ge']:,}"
        case "less_than_equal":
            return f"the most is {limits['le']:,}"
        case "literal_error":
            return f"it is none of {limits['expected']}"
        case _:
            return reason_of(wrong, SETTINGS.get(name))
