"""The check `tracking`: what of opens and clicks is counted is said before an issue goes out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conftest import with_html
from digest.issue.checks.counted import check
from digest.issue.checks.model import Mail
from digest.issue.tracked import Tracking

SITE = "https://verdicts.example.com"
HTML = '<a href="https://e.org/1">one</a><a href="https://e.org/2?a=b&amp;c">two</a><a href="mailto:a@e.org">mail</a>'


@pytest.mark.parametrize(
    ("tracking", "said"),
    [
        (None, "no open and no click of 2 links is counted, and the links stay as they are"),
        (Tracking("off", utm="utm_source=x"), "no open and no click of 2 links is counted; they get utm_source=x"),
        (
            Tracking("counts", SITE, "utm_source=x"),
            "how many open and click is counted, and not who: 2 links and a picture lead by"
            " https://verdicts.example.com; they get utm_source=x",
        ),
        (
            Tracking("readers", SITE, hidden=True),
            "who opens and clicks what is kept: 2 links and a picture lead by https://verdicts.example.com, and so does"
            " one that only machines follow",
        ),
    ],
)
def test_it_says_what_is_counted(mail: Mail, tracking: Tracking | None, said: str) -> None:
    given = with_html(mail, lambda _: HTML)
    [found] = check(replace(given, content=replace(given.content, tracking=tracking)))
    assert (found.check, found.level, found.what) == ("tracking", "pass", said)


def test_by_default_it_is_counted_how_many_and_not_who(mail: Mail) -> None:
    assert check(mail)[0].what.startswith("how many open and click is counted, and not who: 31 links and a picture")
