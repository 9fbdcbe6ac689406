"""The subjects beside an issue's own: what they say, and whether they can be tried out as they are to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from digest.issue.checks import words
from digest.issue.checks.model import Finding, Mail
from digest.issue.subject_records import is_uncounted

CHECK = "alternatives"


def check(mail: Mail) -> list[Finding]:
    """Look at each as at the subject and the preheader (id `alternatives`); there is nothing to say without one."""
    test = mail.content.subject_test
    if test is None:
        return [Finding(CHECK, "pass", "the issue has one subject, and no other is tried")]
    subjects = "one other subject is" if len(test.others) == 1 else f"{len(test.others)} other subjects are"
    passes = Finding(CHECK, "pass", f"{subjects} tried on {test.share}% of the readers")
    return list(_troubles(mail)) or [passes]


def _troubles(mail: Mail) -> Iterator[Finding]:
    test, number = mail.content.subject_test, mail.draft.number
    assert test is not None  # noqa: S101 (asked before)
    own = (mail.content.subject.casefold(), None)
    for at, other in enumerate(test.others, start=1):
        where = f"alternative {'ABCDE'[at]}"
        if (other.subject.casefold(), other.preheader) == own:
            todo, command = "say it in another way, or take it out", f"digest subjects remove {number} {at}"
            yield Finding(CHECK, "warn", "it says the same as the issue’s own subject", where, todo, command)
        content = replace(mail.content, subject=other.subject)
        if other.preheader is not None:
            content = replace(content, preheader=other.preheader)
        as_if = replace(mail, content=content)
        found = [*words.subject(as_if), *(words.preheader(as_if) if other.preheader is not None else ())]
        command = f'digest subjects change {number} {at} "…"'
        for finding in found:
            if finding.level != "pass":
                yield replace(finding, check=CHECK, where=f"{where}, {finding.where}", command=command)
    if is_uncounted(test.rule, mail.content.tracking):
        what = "readers’ clicks are to decide which subject wins, and no clicks are counted (`tracking` is off)"
        command = f"digest subjects arrange {number} --rule person"
        yield Finding(CHECK, "block", what, "subjects", "let a person decide", command)
