from __future__ import annotations

import re

from reported import Given, grow, tell
from sqlite_utils import Database

from conftest import NOW
from desk import at_the_desk
from digest.settings import Settings
from serving import Reader


def test_reports_stand_in_the_desk_with_ways_that_stay_there(
    reader: Reader, sample: Database, settings: Settings
) -> None:
    newest = tell(sample, settings, [Given(10_000), Given(9_000)])[-1]
    grow(sample, weeks=4, readers=9_000)
    ann = at_the_desk(reader, settings, "editor")
    for path, words in (("", "Issues"), ("growth", "Joined"), (f"issues/{newest}", "9,000")):
        answer = ann.get(f"/desk/reports/{path}")
        assert answer.status_code == 200
        assert words in answer.text
        assert 'aria-label="Desk"' in answer.text
        assert not re.search(r'href="/reports/', answer.text)
        for address in set(re.findall(r'(?:href)="(/desk/reports/[^"?#]*)"', answer.text)):
            assert ann.get(address).status_code == 200, address


def test_who_is_no_publisher_finds_no_reader_in_a_report(reader: Reader, sample: Database, settings: Settings) -> None:
    tell(sample, settings, [Given(1_000)])
    ann = at_the_desk(reader, settings, "editor", now=NOW)
    assert ann.get("/desk/reports/readers").status_code == 404
