"""Running the doctor: each subject in a thread of its own, none waiting for another, an error of one telling of itself.

Subjects wait for the network, for the disk and for SQLite, which all work without Python's lock. A thread that is late
is left behind: it ends with the process, or when its server answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from digest.doctor import subjects
from digest.doctor.model import LEVELS, Case, Finding, Subject
from digest.errors import NotFoundError, StoreError, nearest
from digest.sentences import of_error


@dataclass(frozen=True)
class Report:
    """What all of them said, in the order of the subjects. `looked` has those that were asked."""

    findings: tuple[Finding, ...]
    looked: tuple[str, ...]
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether nothing is bad."""
        return not any(found.level == "bad" for found in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each level."""
        return {level: sum(found.level == level for found in self.findings) for level in LEVELS}


@cache
def names() -> tuple[str, ...]:
    """Give the names of the subjects, in their order."""
    found = [module.name.replace("_", "-") for module in iter_modules(subjects.__path__)]
    return tuple(sorted(found, key=lambda name: subject(name).PLACE))


def subject(name: str) -> Subject:
    """Give the subject of a name.

    Raises:
        NotFoundError: there is none.
    """
    known = {module.name for module in iter_modules(subjects.__path__)}
    if (file := name.replace("-", "_")) not in known:
        there = sorted(one.replace("_", "-") for one in known)
        near = nearest(name, there) or f"; it has {', '.join(there)}"
        raise NotFoundError(f"the doctor has no subject {name!r}{near}")
    return cast("Subject", import_module(f"{subjects.__name__}.{file}"))


@dataclass
class _Look:
    """One subject at work. `findings` grow while it is."""

    name: str
    of: Subject
    findings: list[Finding] = field(default_factory=list)
    thread: threading.Thread | None = None

    def begin(self, case: Case) -> None:
        self.thread = threading.Thread(target=self._work, args=(case,), name=f"doctor {self.name}", daemon=True)
        self.thread.start()

    def _work(self, case: Case) -> None:
        try:
            for found in self.of.look(case):
                self.findings.append(found)
        except StoreError as error:
            # The subject `store` says so itself, and what to do.
            self.findings.append(Finding(self.name, "store", "not looked at", str(error)))
        except Exception as error:  # what breaks one subject must not keep the others from being told
            words = of_error(error, longest=300)
            self.findings.append(Finding(self.name, "itself", "bad", f"it broke off: {words}", todo="tell us of it"))

    def end(self, began: float, most: float | None) -> list[Finding]:
        """Wait until it is done, or its time is over; give what it found."""
        assert self.thread is not None  # noqa: S101 (it was begun)
        limit = min(filter(None, (self.of.SECONDS, most)), default=None)
        self.thread.join(None if limit is None else max(0.0, began + limit - time.monotonic()))
        found = list(self.findings)
        if self.thread.is_alive():
            words = f"it did not end within {limit:.0f} seconds; what it had found by then is told"
            found.append(
                Finding(
                    self.name, "itself", "not looked at", words, todo="try it again alone", command=_alone(self.name)
                )
            )
        return found


def run(
    case: Case,
    only: Collection[str] = (),
    *,
    most: float | None = None,
    tell: Callable[[str, Iterable[Finding]], Any] = lambda name, findings: None,
) -> Report:
    """Look at all subjects, or only at some; `tell` is told of each as soon as it and those before it are done.

    None takes longer than `most` seconds, where that is given.

    Raises:
        NotFoundError: there is no subject of a name.
    """
    chosen = {name: subject(name) for name in only} or {name: subject(name) for name in names()}
    began = time.monotonic()
    looks = [_Look(name, chosen[name]) for name in names() if name in chosen]
    asked = [look for look in looks if case.network or not look.of.NETWORK]
    for look in asked:
        look.begin(case)
    found: list[Finding] = []
    for look in looks:
        if look in asked:
            of_it = look.end(began, most)
        else:
            of_it = [Finding(look.name, "network", "not looked at", "the network was not asked")]
        found += of_it
        tell(look.name, of_it)
    return Report(tuple(found), tuple(look.name for look in asked), time.monotonic() - began)


def _alone(name: str) -> str:
    return f"digest doctor {name}"
