"""What the checks found, for an editor: in groups, each with the way to the place where it is mended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from digest.chosen import SECTION_OF
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.names import name_of
from digest.issue.issues import Override
from digest.web.desk.settings_words import LABELS

_SETTINGS = re.compile(
    rf"\b({'|'.join(sorted((name for name in SECTION_OF if '_' in name), key=len, reverse=True))})\b"
)
"""Settings as a check names them; what has no underscore is a word like others."""
_OF_OPERATORS = re.compile(r"templates/email|\.mjml\b|<mjml>|<mj-title>|\bbase_url\b|\bspam_filter\b|envelope\.py")
_OF_OUR_SITE = re.compile(r"\bbase_url\b|spam filters distrust")
"""What is wrong with each link of ours alike, wherever it stands: the address of our site."""
_ADDRESS = re.compile(r"\((https?://\S+?)(?:, “|\)$)")
"""In what a check says of a link: ``link 4 (https://…, “its words”)``."""
_OF_WORDS = {"subject": "subject", "preheader": "preheader", "alternatives": "subjects"}
_OF_DNS = "/desk/settings/sender"


@dataclass(frozen=True)
class Way:
    """Where something is mended: its address, what to call it, and whether only an owner may go there."""

    to: str
    words: str
    for_owners: bool = False


@dataclass(frozen=True)
class Shown:
    """One finding. `operator`: whoever runs the machine mends it, in the templates or in a setting of theirs."""

    what: str
    where: str
    todo: str
    way: Way | None
    operator: bool


@dataclass(frozen=True)
class Group:
    """What one check found at one level. `reason` is why it was passed over, where it was."""

    check: str
    name: str
    findings: tuple[Shown, ...]
    reason: str = ""


@dataclass(frozen=True)
class Grouped:
    """What all checks found: what blocks, what warns, what could not be looked at, and what is well."""

    blocks: tuple[Group, ...]
    warns: tuple[Group, ...]
    not_run: tuple[Group, ...]
    passes: tuple[Group, ...]

    @property
    def standing(self) -> int:
        """How many checks block and were not passed over."""
        return sum(not group.reason for group in self.blocks)


def grouped(findings: Sequence[Finding], mail: Mail, overrides: Iterable[Override] = ()) -> Grouped:
    """Group findings by level and check, in the order of the checks."""
    reasons = {over.check: over.reason for over in overrides}

    def of(level: str) -> tuple[Group, ...]:
        found = [finding for finding in findings if finding.level == level]
        return tuple(
            Group(
                check,
                name_of(check),
                tuple(_shown(finding, mail) for finding in found if finding.check == check),
                reasons.get(check, "") if level == "block" else "",
            )
            for check in dict.fromkeys(finding.check for finding in found)
        )

    return Grouped(of("block"), of("warn"), of("not run"), of("pass"))


def _shown(finding: Finding, mail: Mail) -> Shown:
    way = way_to(finding, mail) if finding.level != "pass" else None
    ours = way is None and mail.settings.base_url in finding.where
    operator = ours or (way is None and bool(_OF_OPERATORS.search(f"{finding.where} {finding.todo}")))
    what, where, todo = (_labelled(text) for text in (finding.what, finding.where, finding.todo))
    return Shown(what, where, todo, way, operator)


def _labelled(text: str) -> str:
    """Write settings as their page calls them: ``“Postal address” is not set``."""
    return _SETTINGS.sub(lambda found: f"“{LABELS[found[1]]}”" if found[1] in LABELS else found[0], text)


def way_to(finding: Finding, mail: Mail) -> Way | None:
    """Tell where a finding is mended; None where that is no place of the desk, such as a template."""
    number = mail.draft.number
    if (field := _OF_WORDS.get(finding.check)) is not None:
        return _in_issue(number, field, f"To the {field}")
    if finding.check == "size":
        where = "introduction" if "introduction" in finding.todo else "comparisons"
        return _in_issue(number, {"introduction": "intro", "comparisons": "contents"}[where], f"To the {where}")
    if finding.check.startswith("dns-"):
        return Way(_OF_DNS, "To the sender", for_owners=True)
    if finding.check == "contrast":
        return Way("/desk/settings/theme", "To the theme", for_owners=True)
    if (named := _SETTINGS.search(f"{finding.where} {finding.todo}")) is not None:
        return _in_settings(named[1])
    return _of_an_author(finding, mail)


def _in_settings(name: str) -> Way:
    section = SECTION_OF[name]
    page = "" if section == "newsletter" else section
    return Way(f"/desk/settings/{page}#{name}", "To the setting", for_owners=True)


def _in_issue(number: int, place: str, words: str) -> Way:
    return Way(f"/desk/issues/{number}?view=edit#{place}", words)


def _of_an_author(finding: Finding, mail: Mail) -> Way | None:
    """Find whose words a finding speaks of: those of the introduction, of a comparison, or of a tool."""
    told, found = f"{finding.what} {finding.where}", _ADDRESS.search(finding.where)
    if found and found[1].startswith(mail.settings.base_url) and _OF_OUR_SITE.search(f"{finding.what} {finding.todo}"):
        return None
    # A long one is cut where it is told.
    address = found[1].rstrip("…") if found else "\0"
    number, site = mail.draft.number, mail.settings.base_url
    for comparison in (item.comparison for item in mail.draft.placed):
        if address == f"{site}/compare/{quote(comparison.slug, safe='')}" or comparison.title in told:
            return _in_issue(number, f"comparison-{comparison.slug}", f"To “{comparison.title}”")
        for tool in (comparison.left, comparison.right):
            if (tool.url or "").startswith(address) or f"“{tool.name}”" in told:
                return Way(f"/desk/catalogue/tools/{quote(tool.slug, safe='')}", f"To “{tool.name}”")
    return _in_issue(number, "intro", "To the introduction") if address in mail.draft.intro else None
