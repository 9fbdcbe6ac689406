"""Attributes that say their letters as the renderer's source would write them, instead of the letters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.issue.checks.document import document, excerpt
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.weight import written

_ESCAPE = re.compile(r"\\u\{[0-9a-fA-F]{1,6}\}")
"""As Rust escapes a letter for debugging (https://doc.rust-lang.org/std/primitive.char.html#method.escape_debug):
the renderer, mrml, writes such an attribute so where a letter of it is rare."""


def escaped(mail: Mail) -> Iterator[Finding]:
    """Warn of letters that the renderer escaped, which is heard and not seen; what authors wrote so is theirs."""
    authors = written(mail)
    found = [
        (signs, f"{name} “{excerpt(value)}” of {element.place}")
        for element in document(mail.content.html).root.within()
        for name, value in element.attributes.items()
        if (signs := next((signs for signs in _ESCAPE.findall(value) if signs not in authors), None))
    ]
    if found:
        signs, where = found[0]
        more = {1: "", 2: "; 1 more has such signs"}.get(len(found), f"; {len(found) - 1} more have such signs")
        what = f"an attribute says {signs} instead of its letter{more}"
        todo = "pass what it says through the filter `attribute` in the templates in templates/email"
        yield Finding("alt-text", "warn", what, where, todo)
