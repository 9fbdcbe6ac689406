"""Words of an error, a finding or a setting as a sentence: they are kept without a capital, to stand within one."""

from __future__ import annotations


def capital(words: str) -> str:
    """Begin with a capital letter; the rest stays as it is."""
    return words[:1].upper() + words[1:]


def of_error(error: BaseException, *, longest: int = 500) -> str:
    """Write an error that is not ours in one line, its kind first; it may have anything in it."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:longest]


def sentence(words: str) -> str:
    """Begin with a capital letter, and end with a full stop where nothing ends it."""
    return capital(words) + ("" if words.endswith((".", "?", "!")) else ".")
