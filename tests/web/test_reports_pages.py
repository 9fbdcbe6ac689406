from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from reported import Given, grow, link, live, tell
from sqlite_utils import Database

from conftest import NOW, import_sample
from digest.audience import subscribers
from digest.issue import issues
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from digest.tracking.rates import rate
from digest.tracking.reports import HostFigures, IssueReport, issue_report
from digest.tracking.trends import growth_by, over_time
from digest.web import exports, report_words
from serving import Clock, Reader, dump, served

UNTOLD, COUNTED, OFF, NEWEST = 9, 10, 11, 12
"""Issues by what is known of them: no delivery, nobody's name, no opens, everything."""


class Told(NamedTuple):
    db: Database
    settings: Settings
    reader: Reader
    home: str
    ada: int


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    settings = Settings(
        db=Path(tmp_path_factory.mktemp("reports")) / "digest.db",
        base_url="https://verdicts.example.com",
        timezone="Europe/Berlin",
    )
    db = open_store(settings.db, create=True)
    import_sample(db, settings)
    given = [Given(10_000, complained=0.002 if place == 3 else 0.0002) for place in range(NEWEST)]
    given[UNTOLD - 1] = replace_given(given[0], delivered=None)
    given[COUNTED - 1] = replace_given(given[0], mode="counts")
    given[OFF - 1] = replace_given(given[0], mode="off")
    assert tell(db, settings, given)[-1] == NEWEST
    grow(db, weeks=8, readers=12_000)
    ada = subscribers.add(db, "ada@example.com", now=NOW - timedelta(days=30), name="Ada")[0].id
    live(db, ada, [1, 2, 3])
    with served(settings, Clock(NOW)) as reader:
        yield Told(db, settings, reader, link(db, settings), ada)
    db.close()


def replace_given(one: Given, **other: object) -> Given:
    return one._replace(**other)  # type: ignore[arg-type]


def text_of(html: str) -> str:
    """What a page says, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def said(told: Told, path: str) -> str:
    answer = told.reader.get(told.home + path)
    assert answer.status_code == 200, answer.text[:500]
    return text_of(answer.text)


def test_an_issues_page_opens_with_the_sentence_that_matters(told: Told) -> None:
    page = told.reader.get(f"{told.home}/issues/{NEWEST}").text
    assert "<h1>Issue 12 reached 9,761 of 10,000; 1 in 9 clicked.</h1>" in page
    assert "<title>Issue 12 reached 9,761 of 10,000; 1 in 9 clicked." in page


def test_an_issues_page_shows_what_the_report_says(told: Told) -> None:
    report = issue_report(told.db, told.settings, NEWEST)
    page = said(told, f"/issues/{NEWEST}")
    for row in (
        f"Accepted by the provider {report.accepted:,} 99.4%",
        f"Delivered {report.delivered:,} 98.2%",
        f"By machines only {report.opened.machines:,} {report.clicked.machines:,}",
        f"Votes from this mail {report.votes:,}",
        f"Bounced for good {report.bounced_hard:,} 0.60%",
    ):
        assert row in page
    assert "Gmail 4,600" in page
    assert f"{report.links[0].clicked_people:,} {report.links[0].clicked:,} {report.links[0].clicks_people:,}" in page
    assert all(one.title in page for one in report.comparisons)
    assert all(f"{tool.name} {tool.votes:,} {tool.ship:,} {tool.skip:,}" in page for tool in report.tools)
    for note in report.notes:
        assert note in page


def test_hours_are_those_of_the_newsletter(told: Told) -> None:
    page = said(told, f"/issues/{NEWEST}")
    # It was sent at 09:00 UTC.
    assert "Mon 23 Nov, 10:00" in page
    assert "The clock is that of Europe/Berlin." in page


def test_every_chart_of_a_page_can_be_read_as_xml_and_has_an_id_of_its_own(told: Told) -> None:
    for path in ("/", f"/issues/{NEWEST}", "/growth"):
        page = told.reader.get(told.home + path).text
        drawn = re.findall(r"<svg.*?</svg>", re.sub(r"<svg width=.100%. .*?</svg>", "", page), re.DOTALL)
        assert len(drawn) >= 2
        for one in drawn:
            ET.fromstring(one.replace("&nbsp;", " "))
        names = re.findall(r'\bid="([^"]+)"', page)
        assert len(names) == len(set(names)), path
        assert "style=" not in page


def test_where_nobody_tells_of_deliveries_the_page_says_what_to_do(told: Told) -> None:
    page = said(told, f"/issues/{UNTOLD}")
    assert "Issue 9 was accepted for 9,940 of 10,000" in page
    assert "Who was it delivered to?" in page
    assert "https://verdicts.example.com/hooks/" in page
    assert "docs/tracking.md" in page
    assert "Who was it delivered to?" not in said(told, f"/issues/{NEWEST}")


def test_where_opens_are_not_counted_no_zero_is_shown_for_them(told: Told) -> None:
    page = said(told, f"/issues/{OFF}")
    assert "Issue 11 reached 9,761 of 10,000." in page
    assert "Opens and clicks are not counted" in page
    assert "Opened, by people" not in page
    assert "not counted not counted" in said(told, "/")


def test_where_nobodys_name_is_kept_mailbox_providers_have_no_opens(told: Told) -> None:
    counted, named = said(told, f"/issues/{COUNTED}"), said(told, f"/issues/{NEWEST}")
    assert "so it cannot be told by provider" in counted
    assert "Unsubscribed Opened Clicked Look at this" in named
    assert "Unsubscribed Opened Clicked Look at this" not in counted


def test_the_overview_shows_every_issue_the_audience_and_the_subjects(told: Told) -> None:
    found = over_time(told.db, now=NOW)
    page = told.reader.get(f"{told.home}/").text
    shown = re.findall(rf'href="{told.home}/issues/(\d+)">Issue', page)
    assert shown == [str(line.number) for line in reversed(found.issues)]
    words = text_of(page)
    assert re.search(r"The last 12 issues reached 98\.\d% on average; 1 in 9 clicked\.", words)
    assert f"Would get an issue now {found.health.mailed:,}" in words
    assert found.subjects
    assert all(one.subject in words for one in found.subjects)
    assert "unknown" in words
    assert "complained" in words.casefold()


def test_an_issue_whose_complaints_are_too_many_is_marked_in_words(told: Told) -> None:
    page = told.reader.get(f"{told.home}/").text
    [row] = [row for row in page.split("<tr>") if ">Issue 4<" in row]
    assert '<strong class="bad">high' in row
    [other] = [row for row in page.split("<tr>") if ">Issue 5<" in row]
    assert 'class="bad"' not in other


@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_growth_is_shown_by_day_week_and_month(told: Told, unit: str) -> None:
    periods = {"day": 31, "week": 26, "month": 24}[unit]
    rows = growth_by(told.db, unit, periods, now=NOW)  # type: ignore[arg-type]
    page = said(told, f"/growth?unit={unit}")
    assert f"Joined and left, by {unit}" in page
    for row in rows:
        assert f"{row.label} {row.joined:,} {row.left:,}" in page
    assert told.reader.get(f"{told.home}/growth?unit=year").status_code == 400


ROUTES = [
    "", "/", "/growth", "/issues/12", "/issues/12.json", "/issues/12/links.csv", "/issues.csv", "/overview.json",
    "/growth-by-week.csv", "/nothing-of-ours.csv",
]  # fmt: skip


@pytest.mark.parametrize("path", ROUTES)
def test_nothing_is_shown_without_a_link_that_is_ours_and_has_not_ended(told: Told, path: str) -> None:
    links = Signers.of(told.db, told.settings, now=NOW).links
    ends = int((NOW + timedelta(days=1)).timestamp())
    ours = links.sign("report", ends, 0)
    wrong = {
        links.sign("report", int(NOW.timestamp()), 0): 410,
        links.sign("report", int((NOW - timedelta(days=9)).timestamp()), 0): 410,
        links.sign("copy", ends, 0): 400,
        links.sign("track", ends, 0): 400,
        ours[:-1]: 400,
        ours[:-1] + ("A" if ours[-1] != "A" else "B"): 400,
        "x": 400,
    }
    for token, status in wrong.items():
        answer = told.reader.get(f"/reports/{token}{path}")
        assert answer.status_code == status, f"{token}{path}"
        assert "digest report --link" in answer.text
        assert "10,000" not in answer.text
        assert "ada@" not in answer.text
        assert answer.headers["cache-control"] == "no-store"


def test_a_link_shows_nothing_of_any_reader(told: Told) -> None:
    for path in ("/readers", f"/readers/{told.ada}", f"/readers/{told.ada}.json"):
        assert told.reader.get(told.home + path).status_code == 404
    assert told.reader.submit(f"{told.home}/readers", email="ada@example.com").status_code in (404, 405)


def test_a_link_works_until_the_second_it_ends(told: Told) -> None:
    links = Signers.of(told.db, told.settings, now=NOW).links
    token = links.sign("report", int((NOW + timedelta(seconds=1)).timestamp()), 0)
    assert told.reader.get(f"/reports/{token}/").status_code == 200


def test_no_page_is_kept_or_listed_and_none_tells_where_it_is(told: Told) -> None:
    for path in ROUTES[:-1]:
        for method in ("GET", "HEAD"):
            answer = told.reader.request(method, told.home + path)
            assert answer.status_code == (303 if path == "" else 200), path
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-robots-tag"] == "noindex"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["x-content-type-options"] == "nosniff"
    robots = told.reader.get("/robots.txt").text.splitlines()
    assert "Disallow: /reports/" in robots
    assert "/reports" not in told.reader.get("/sitemap.xml").text


def test_a_page_only_shows(told: Told) -> None:
    before = dump(told.db)
    for path in ROUTES:
        told.reader.get(told.home + path)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert told.reader.request(method, f"{told.home}/issues/{NEWEST}").status_code == 405
    assert dump(told.db) == before


def rows_of(told: Told, path: str) -> list[dict[str, str]]:
    answer = told.reader.get(told.home + path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    name = re.fullmatch(r'attachment; filename="([a-z0-9-]+\.csv)"', answer.headers["content-disposition"])
    assert name is not None
    return list(csv.DictReader(io.StringIO(answer.text)))


TABLES = [
    *(f"/issues/{NEWEST}/{name}" for name in ("summary", "people", "hours", "links", "comparisons", "tools")),
    f"/issues/{NEWEST}/mailboxes",
    "/issues", "/subjects", "/health", "/growth-by-day", "/growth-by-week", "/growth-by-month",
]  # fmt: skip


@pytest.mark.parametrize("path", TABLES)
def test_every_table_may_be_taken_along_as_csv_and_as_json(told: Told, path: str) -> None:
    rows = rows_of(told, f"{path}.csv")
    answer = told.reader.get(f"{told.home}{path}.json")
    assert "attachment" in answer.headers["content-disposition"]
    found = answer.json()
    assert rows
    for row, one in zip(rows, found, strict=True):
        told_as_json = {name: str(value) for name, value in exports.flat(one).items() if value not in (None, "")}
        assert {name: value for name, value in row.items() if value} == told_as_json


def test_every_table_of_a_page_has_its_links(told: Told) -> None:
    pages = told.reader.get(f"{told.home}/issues/{NEWEST}").text + told.reader.get(f"{told.home}/").text
    pages += "".join(told.reader.get(f"{told.home}/growth?unit={unit}").text for unit in ("day", "week", "month"))
    linked = set(re.findall(rf'href="{told.home}([^"]+)\.csv"', pages))
    assert linked == set(TABLES)


def test_whole_reports_as_json_are_what_the_reports_say(told: Told) -> None:
    report = told.reader.get(f"{told.home}/issues/{NEWEST}.json").json()
    assert report["rates"]["clicked"]["value"] == issue_report(told.db, told.settings, NEWEST).rates.clicked.value
    assert len(told.reader.get(f"{told.home}/overview.json").json()["issues"]) == NEWEST


@pytest.mark.parametrize("path", ["/issues/12/nothing.csv", "/issues/99/links.csv", "/nothing.json", "/issues/99"])
def test_what_is_not_there_is_not_found(told: Told, path: str) -> None:
    assert told.reader.get(told.home + path).status_code == 404


@pytest.mark.parametrize("path", ["/issues/12/links.xml", "/issues.xml", "/growth-by-year.csv"])
def test_what_cannot_be_asked_for_is_refused(told: Told, path: str) -> None:
    assert told.reader.get(told.home + path).status_code == 400


def test_a_spreadsheet_runs_nothing_that_an_author_wrote(told: Told) -> None:
    subject = '=HYPERLINK("https://evil.example","x")'
    kept = told.db.execute("SELECT subject FROM issues WHERE number = 1").fetchone()[0]
    told.db.execute("UPDATE issues SET subject = ? WHERE number = 1", [subject])
    try:
        assert rows_of(told, "/issues.csv")[0]["subject"] == f"'{subject}"
        assert "<script" not in told.reader.get(f"{told.home}/issues/1").text.split("<main")[1]
    finally:
        told.db.execute("UPDATE issues SET subject = ? WHERE number = 1", [kept])


def test_an_empty_table_has_its_head() -> None:
    assert exports.columns_of(HostFigures)[:4] == ["name", "audience", "accepted", "delivered"]
    assert exports.as_csv(exports.columns_of(HostFigures), []).startswith("name,audience,accepted,delivered,")


def test_a_store_without_issues_says_what_will_be_there(reader: Reader, sample: Database, settings: Settings) -> None:
    home = link(sample, settings)
    page = text_of(reader.get(f"{home}/").text)
    assert "No issue has been sent yet." in page
    assert "What will be here" in page
    assert "docs/tracking.md" in page
    assert "Nobody has come or gone yet" in text_of(reader.get(f"{home}/growth").text)
    assert reader.get(f"{home}/issues.csv").text.startswith("number,subject,")


def test_an_issue_that_was_not_sent_says_so(reader: Reader, sample: Database, settings: Settings) -> None:
    drafted = issues.draft(sample, settings, now=NOW).issue
    assert drafted is not None
    page = text_of(reader.get(f"{link(sample, settings)}/issues/{drafted.number}").text)
    assert "Issue 1 has not been sent yet." in page
    assert "It is a draft." in page
    assert reader.get(f"{link(sample, settings)}/issues/{drafted.number}/links.csv").status_code == 409


def test_what_nobody_told_of_is_unknown_on_every_page(reader: Reader, sample: Database, settings: Settings) -> None:
    older, newest = tell(sample, settings, [Given(1000), Given(1000, delivered=None, mode="off")])
    sample.execute("DELETE FROM figures WHERE issue = ? AND measure = 'complained'", [newest])
    sample.execute("INSERT INTO figures VALUES (?, 'unsubscribed', 'hour', '2026-11-23T09', 2)", [newest])
    home = link(sample, settings)
    page = text_of(reader.get(f"{home}/issues/{newest}").text)
    for words in (
        "Complaints, against what Gmail takes unknown",
        "Complained unknown",
        "Bounced for good unknown",
        "Bounced for now unknown",
        "Put off at first unknown",
        "Nobody tells of complaints",
        "Provider Readers Unsubscribed Look at this",
        "From Unsubscribed",
    ):
        assert words in page
    assert "Complained 0" not in page
    assert "Provider Readers Delivered Bounced Complained" in text_of(reader.get(f"{home}/issues/{older}").text)
    html = reader.get(f"{home}/").text
    [row] = [row for row in html.split("<tr>") if f">Issue {newest}<" in row]
    assert text_of(row).count("unknown") == 3
    tiles = re.findall(r'<span class="label">([^<]+)</span> <strong>([^<]+)</strong>', html)
    assert [name for name, last in tiles if last == "unknown"] == ["Delivered", "Bounced", "Complained"]
    assert [name for name, last in tiles if last == "not counted"] == ["Opened", "Clicked"]
    assert re.search(r"Complained: from .*; last unknown\.", html)


def test_a_count_is_the_same_wherever_it_stands(reader: Reader, sample: Database, settings: Settings) -> None:
    [number] = tell(sample, settings, [Given(1000)])
    sample.execute(
        "INSERT INTO figures (issue, measure, count) VALUES (?, 'hidden people', 30), (?, 'hidden clicked', 30)",
        [number, number],
    )
    report = issue_report(sample, settings, number)
    people, share = report.opened.people, report.rates.opened
    assert share.count == people - 30
    home = link(sample, settings)
    page = text_of(reader.get(f"{home}/issues/{number}").text)
    beside = f"{share.count:,} of {share.of:,}, where it can be seen"
    assert page.count(beside) == 2
    assert re.search(rf"Opened, by people {people:,} \d+% {beside}", page)
    assert f"By people {people:,} {report.clicked.people:,}" in page
    rows = {row["what"]: row["count"] for row in reader.get(f"{home}/issues/{number}/people.json").json()}
    assert rows["opened by people"] == people
    assert rows["opened by people, where it can be seen"] + rows["opened by people, known by a click"] == people


def test_bars_of_opened_and_clicked_are_both_of_the_best_of_their_column(
    reader: Reader, sample: Database, settings: Settings
) -> None:
    tell(sample, settings, [Given(1000), Given(1000, opened=0.2, clicked=0.05)])
    html = reader.get(f"{link(sample, settings)}/").text
    widths = [
        re.findall(r'class="fill" width="([\d.]+)"', cell)[-1]
        for row in html.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]
        for cell in re.findall(r'<td class="number with-bar">.*?</td>', row, re.DOTALL)
    ]
    assert len(widths) == 4
    assert widths[2:] == ["100.0", "100.0"]
    assert all(float(width) < 60 for width in widths[:2])
    assert "against the best of their column" in text_of(html)


def test_an_issue_that_is_being_sent_says_that_figures_grow(
    reader: Reader, sample: Database, settings: Settings
) -> None:
    [number] = tell(sample, settings, [Given(1000)])
    sample.execute("UPDATE issues SET state = 'sending', sent_at = NULL WHERE number = ?", [number])
    page = text_of(reader.get(f"{link(sample, settings)}/issues/{number}").text)
    assert "is being sent: 994 of 1,000 so far." in page
    assert "these figures grow" in page
    assert "being sent" in text_of(reader.get(f"{link(sample, settings)}/").text)


def test_an_issue_that_nobody_told_of_yet_has_its_page(reader: Reader, sample: Database, settings: Settings) -> None:
    [number] = tell(sample, settings, [Given(1000)])
    sample.execute("DELETE FROM figures")
    for path in (f"/issues/{number}", f"/issues/{number}/hours.csv", "/"):
        assert reader.get(link(sample, settings) + path).status_code == 200
    page = text_of(reader.get(f"{link(sample, settings)}/issues/{number}").text)
    assert "Nothing has been told or seen yet." in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("sent", "Issue 12 reached 9,761 of 10,000; 1 in 9 clicked."),
        ("sending", "Issue 12 is being sent: 9,940 of 10,000 so far."),
        ("paused", "Issue 12 is paused: 9,940 of 10,000 are out."),
        ("cancelled", "Issue 12 was cancelled after 9,940 of 10,000 were out."),
    ],
)
def test_the_sentence_fits_the_state(told: Told, state: str, words: str) -> None:
    report: IssueReport = replace(issue_report(told.db, told.settings, NEWEST), state=state)  # type: ignore[arg-type]
    assert report_words.headline(report) == words


def test_complaints_are_called_what_they_are() -> None:
    said = [report_words.complaints(rate(*share, "delivered")) for share in ((5, 10_000), (1, 500), (20, 10_000))]
    assert said == ["", "high, may be chance", "high"]
    assert report_words.complaints(rate(50, 10_000, "delivered")) == "over the limit"
    assert report_words.complaints(rate(2, 276, "delivered")) == "over the limit, may be chance"
    assert report_words.complaints(None) == ""
    assert report_words.complaints(rate(0, 0, "delivered")) == ""


def test_pages_answer_fast_with_a_year_of_issues(tmp_path: Path) -> None:
    settings = Settings(db=tmp_path / "digest.db")
    db = open_store(settings.db, create=True)
    import_sample(db, settings)
    newest = tell(db, settings, [Given(1_000_000)] * 52)[-1]
    grow(db, weeks=52, readers=1_000_000)
    home = link(db, settings)
    with served(settings, Clock(NOW)) as reader:
        for path in ("/", f"/issues/{newest}", "/growth"):
            took = []
            for _ in range(4):
                began = time.perf_counter()
                assert reader.get(home + path).status_code == 200
                took.append(time.perf_counter() - began)
            assert min(took) < 0.3, (path, took)
    db.close()


@pytest.mark.parametrize(
    ("address", "short"),
    [
        ("https://www.example.com/a/?q=1", "example.com/a"),
        ("http://127.0.0.1:8000/compare/x", "127.0.0.1:8000/compare/x"),
        ("https://example.com:443/a", "example.com/a"),
        ("http://example.com:443/", "example.com:443"),
        ("http://[::1]:8000/a", "[::1]:8000/a"),
        ("https://example.com:nowhere/a", "https://example.com:nowhere/a"),
        ("mailto:ada@example.com", "ada@example.com"),
    ],
)
def test_a_link_is_written_with_its_port_where_it_is_another_than_usual(address: str, short: str) -> None:
    assert report_words.in_short(address) == short
