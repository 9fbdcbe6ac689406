"""What the inbox shows before the mail is opened: the subject, and the preheader after it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from digest.issue.checks.model import Finding, Level, Mail

SUBJECT_MOST, SUBJECT_LEAST = 78, 10
PREHEADER_MOST, PREHEADER_LEAST = 150, 30
PHONE = 40
"""About how much of a subject a phone shows, upright."""

_PLACES = ("[[digest:", "{{", "{%", "*|", "%recipient.")
"""Beginnings of places to be filled in, in our templates and in those of mailing services."""

_PRETENCE = re.compile(r"\s*(?:re|fwd?|aw|wg|antw|sv|vb|tr|rv)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
"""A reply or a forwarded mail, in the spelling of several languages' mail programs."""

_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff\u231a\u231b\u23e9-\u23f3\u2600-\u27bf\u2b05-\u2b55]"
    "(?:[\ufe0f\U0001f3fb-\U0001f3ff]|\u200d.)*"
)
"""A flag, or a sign of the blocks in which the emoji of https://www.unicode.org/reports/tr51/ stand, with what is
joined to it; stars and dingbats of these blocks are used like them."""

_SHOUTED_SIGNS = re.compile(r"[!?]{2,}|[$€£]{2,}")
_UNSEEN = re.compile("[\u00ad\u200b\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks that turn the direction of writing, and characters that nobody sees: filters take them for a disguise."""

_ISOLATED = re.compile("\u2068([^\u2066-\u2069]*)\u2069")
"""What keeps its direction to itself: ours are around names that run from right to left, and harmless."""


def subject(mail: Mail) -> list[Finding]:
    """Look at the subject: how long it is, and that it neither shouts nor pretends."""
    text = mail.content.subject
    length = perceived(text)
    on_phone = f"a phone shows about {PHONE}: “{_cut(text, PHONE)}”" if length > PHONE else "it fits on a phone"
    return list(_subject_troubles(text, mail)) or [Finding("subject", "pass", f"{length} characters; {on_phone}")]


def preheader(mail: Mail) -> list[Finding]:
    """Look at the preheader: what the inbox shows after the subject."""
    text = mail.content.preheader
    passes = Finding("preheader", "pass", f"{perceived(text)} characters: “{_cut(text, PHONE)}”")
    return list(_preheader_troubles(text, mail)) or [passes]


def perceived(text: str) -> int:
    """Count the characters a person sees: an accent, or what is joined to an emoji, is none of its own."""
    return sum(unicodedata.category(character) not in ("Mn", "Me", "Mc", "Cf") for character in _EMOJI.sub("☺", text))


def _subject_troubles(text: str, mail: Mail) -> Iterator[Finding]:
    def trouble(level: Level, what: str, todo: str) -> Finding:
        return Finding("subject", level, what, f"subject “{_cut(_visible(text), 60)}”", todo, edit)

    edit = f'digest edit {mail.draft.number} --subject "…"'
    length = perceived(text)
    if not text.strip():
        yield trouble("block", "the subject is empty", "write one")
        return
    if left := _left_over(text, mail):
        what = f"“{left}” is left in the subject: nothing is filled in there, so readers would see it as it stands"
        yield trouble("block", what, "write it without")
    if length > SUBJECT_MOST:
        what = f"the subject has {length} characters; most inboxes show {SUBJECT_MOST}, a phone about {PHONE}"
        yield trouble("warn", what, "shorten it, the most telling words first")
    if length < SUBJECT_LEAST:
        yield trouble("warn", f"the subject has only {length} characters", "say what is in the mail")
    if shouted := _shouted(text, mail):
        what = f"{shouted[0]} of {shouted[1]} longer words are in capitals: it reads as shouting, and filters count it"
        yield trouble("warn", what, "write it in small letters")
    if (emoji := len(_EMOJI.findall(text))) > 1:
        what = f"there are {emoji} emoji in the subject; a screen reader reads out the name of each"
        yield trouble("warn", what, "keep one at most")
    if signs := _SHOUTED_SIGNS.search(text):
        yield trouble("warn", f"“{signs[0]}” is how junk mail shouts, and filters count it", "one sign will do")
    if begins := _PRETENCE.match(text):
        # 15 U.S.C. 7704(a)(2), https://www.law.cornell.edu/uscode/text/15/7704
        answer = f"the subject begins with “{begins[0].strip()}”, as if it were an answer"
        what = f"{answer}; CAN-SPAM forbids subjects that mislead"
        yield trouble("warn", what, "begin with what is in the mail")
    yield from (trouble("warn", what, "type it anew") for what in _unseen(text, "subject"))


def _preheader_troubles(text: str, mail: Mail) -> Iterator[Finding]:
    def trouble(level: Level, what: str, todo: str) -> Finding:
        return Finding("preheader", level, what, f"preheader “{_cut(_visible(text), 60)}”", todo, edit)

    edit = f'digest edit {mail.draft.number} --preheader "…"'
    length = perceived(text)
    if not text.strip():
        what = "the preheader is empty: the inbox shows whatever comes first in the mail after the subject"
        yield trouble("warn", what, "write one")
        return
    if left := _left_over(text, mail):
        what = f"“{left}” is left in the preheader: nothing is filled in there, so readers would see it as it stands"
        yield trouble("block", what, "write it without")
    if length > PREHEADER_MOST:
        what = f"the preheader has {length} characters; no inbox shows more than about {PREHEADER_MOST}"
        yield trouble("warn", what, "shorten it")
    if length < PREHEADER_LEAST:
        what = f"the preheader has only {length} characters; the inbox fills up with the beginning of the mail"
        yield trouble("warn", what, f"say more, {PREHEADER_LEAST} to 110 characters")
    if " ".join(text.split()).casefold() == " ".join(mail.content.subject.split()).casefold():
        yield trouble("warn", "the preheader says the same as the subject", "say what the subject leaves out")
    yield from (trouble("warn", what, "type it anew") for what in _unseen(text, "preheader"))


def _left_over(text: str, mail: Mail) -> str | None:
    """Give the first place that is left; a tool may be called like one, and its name be cut by an ellipsis."""
    tools = (tool for item in mail.draft.placed for tool in (item.comparison.left, item.comparison.right))
    names = {" ".join(tool.name.split()) for tool in tools}
    for name in sorted((name for name in names if any(place in name for place in _PLACES)), key=len, reverse=True):
        text = text.replace(name, " ")
        for length in range(len(name) - 1, 1, -1):
            text = text.replace(f"{name[:length].rstrip()}…", " ")
    return next((place for place in _PLACES if place in text), None)


def _shouted(text: str, mail: Mail) -> tuple[int, int] | None:
    """Count the words in capitals and all words of four letters or more, where the former are too many.

    Shorter ones may be acronyms; what a tool calls itself, and scripts without capitals, do not count.
    """
    names = {word for item in mail.draft.placed for word in _words(item.comparison.title)}
    words = [word for word in _words(text) if word not in names and word.upper() != word.lower()]
    shouted = sum(word.isupper() for word in words)
    return (shouted, len(words)) if shouted > 1 and 2 * shouted > len(words) else None


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{4,}", text)


def _unseen(text: str, what: str) -> Iterator[str]:
    while (bare := _ISOLATED.sub(r"\1", text)) != text:
        text = bare
    hidden = dict.fromkeys(c for c in text if _UNSEEN.match(c) or unicodedata.category(c) == "Cc")
    if hidden:
        names = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, 'control character')}" for c in hidden)
        yield f"the {what} has characters nobody sees, which filters take for a disguise: {names}"


def _visible(text: str) -> str:
    return "".join(c for c in text if not (_UNSEEN.match(c) or unicodedata.category(c) == "Cc"))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
