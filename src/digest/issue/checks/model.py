"""What a check is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from digest.issue.model import Draft, Moved, Rendered
from digest.settings import Settings

Level = Literal["pass", "warn", "block", "not run"]
"""`not run` is what could not be looked at, such as an answer from a network there is none of."""


@dataclass(frozen=True)
class Finding:
    """What one check says of a mail.

    `check` is its id, such as ``links``. `what` is one sentence: what is wrong, or what is well. `where` is the
    place, such as ``templates/email/head.mjml:12``, ``subject`` or ``link 4 (https://…)``; `todo` what to do
    about it, and `command` how on the command line, where that has one for it. All three are empty where it passes. A
    check gives one finding a trouble, or a single one that passes. `moot` is what was not run since there is nobody to
    ask, or nothing to ask for.
    """

    check: str
    level: Level
    what: str
    where: str = ""
    todo: str = ""
    command: str = ""
    moot: bool = False

    @property
    def is_well(self) -> bool:
        """Whether it passes, or there is nothing that could."""
        return self.level == "pass" or (self.level == "not run" and self.moot)


@dataclass(frozen=True)
class Mail:
    """An issue as it would be mailed, for the checks to look at.

    `content` has its places (``[[digest:token]]``) still open. `moved` is what was made smaller to fit.
    `frozen` is one that was approved: it is mailed as it is, whatever the templates are by now.
    """

    draft: Draft
    content: Rendered
    settings: Settings
    moved: tuple[Moved, ...] = ()
    frozen: bool = False

    @property
    def grave(self) -> Level:
        """The level of a trouble that harms only mail to real people: the local outbox mails nobody."""
        return "block" if self.settings.mails_people else "warn"
