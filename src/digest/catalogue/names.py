"""Names and slugs: when two spellings are one tool, and what a thing is called in an address."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

from slugify import slugify

# Of the Latin, Greek and Cyrillic scripts only: in Japanese a mark makes another word (ハス is not バス).
_ACCENTS = re.compile("[\u0300-\u036f]")
_SYMBOLS = (("+", " plus "), ("#", " sharp "), ("&", " and "), ("@", " at "))


def spelling_key(name: str) -> str:
    """Give what all spellings of a name share: no case, no accents, no spaces or punctuation.

    ``SmolVLM-3B``, ``smolvlm 3b`` and ``SmolVLM3B`` have one key. What tells versions and languages apart
    stays: a break between two digits (``Llama 3 8B`` is not ``Llama 38B``), ``+`` and ``#`` (C, C++, C#).
    """
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", name).casefold())
    spaced = re.sub(r"[^\w+#]|_", " ", unicodedata.normalize("NFC", bare))
    kept = re.sub(r"(?<=\d) +(?=\d)", "\N{FULL STOP}", spaced)
    return kept.replace(" ", "") or " ".join(unicodedata.normalize("NFKC", name).split())


def slug_for(name: str, taken: Container[str] = ()) -> str:
    """Make a slug of a name that is not `taken`: ``SmolVLM-3B`` gives ``smolvlm-3b``, then ``smolvlm-3b-2``."""
    slug = slugify(name, replacements=_SYMBOLS, max_length=80, word_boundary=True)
    if not slug:
        slug = "n-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    candidate, count = slug, 1
    while candidate in taken:
        count += 1
        candidate = f"{slug}-{count}"
    return candidate
