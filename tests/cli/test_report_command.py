"""`digest report` and `digest subscribers timeline`: what they print, write and refuse."""

from __future__ import annotations

import csv
import io
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import test_command_line
from rich.cells import cell_len
from test_command_line import Ran, Run

from digest import times
from digest.cli.report import OF_AN_ISSUE, OVER_TIME, UNITS
from digest.cli.report_text import BAR, bar
from digest.events import Kind
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from digest.tracking import counting, trends
from digest.tracking.reports import issue_report
from digest.web import report_tables

digest = test_command_line.digest
drafted = test_command_line.drafted


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store of `sent` is kept once it is made."""
    return tmp_path_factory.mktemp("reported") / "digest.db"


@pytest.fixture
def sent(digest: Run, made: Path) -> Run:
    """The command, with issue 1 mailed to three readers; two copies were delivered, one bounced, one was voted from."""
    if made.exists():
        shutil.copyfile(made, "digest.db")
        return digest
    digest("import", "tools.json")
    digest("subscribers", "import", "-", stdin=b"email\nada@example.org\nbea@example.org\ncid@example.org\n")
    digest("draft")
    given = ("--set", "postal_address=Here", "--set", "tracking=readers")
    digest("approve", "1", *given)
    digest("send", "1", *given)
    with closing(open_store(Path("digest.db"))) as db:
        at = int(times.now().timestamp())
        db.conn.executemany(
            "INSERT INTO events (issue, subscriber, kind, key, at) VALUES (1, ?, ?, ?, ?)",
            [
                (1, Kind.DELIVERED, "", at),
                (2, Kind.DELIVERED, "", at),
                (3, Kind.BOUNCED, "hard", at),
                (1, Kind.VOTED, "ada", at + 60),
            ],
        )
    shutil.copyfile("digest.db", made)
    return digest


def test_an_issue_is_told_in_80_columns(sent: Run) -> None:
    ran = sent("report", "1")
    assert ran.err == ""
    assert all(cell_len(line) <= 80 for line in ran.out.splitlines())
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "audience 3" in lines
    assert "delivered 2 67% accepted" in lines
    assert "bounced 1 33% accepted, 1 for good" in lines
    assert "votes 1" in lines
    assert "1 0 0 Ada" in lines
    assert any(
        line.startswith("of what was accepted", 4) or "33.33% of what was accepted bounced" in line for line in lines
    )


def lines_of(ran: Ran) -> list[str]:
    assert all(cell_len(line) <= 80 for line in ran.out.splitlines())
    return [" ".join(line.split()) for line in ran.out.splitlines()]


def test_what_nobody_told_of_is_unknown(sent: Run) -> None:
    with closing(open_store(Path("digest.db"))) as db:
        db.execute("DELETE FROM figures WHERE measure IN ('delivered', 'bounced hard')")
    lines = lines_of(sent("report", "1"))
    for what in ("delivered", "bounced", "complained"):
        assert f"{what} unknown nobody told" in lines
    assert any(line.startswith("1 ") and " 3 ? ? ? " in line for line in lines_of(sent("report")))
    told = {row["what"]: row["count"] for row in csv.DictReader(io.StringIO(sent("report", "1", "--csv", "-").out))}
    assert (told["complained"], told["bounced"], told["put off at first"], told["unsubscribed"]) == ("", "", "", "0")


def test_people_whose_open_is_hidden_are_counted_and_are_not_in_the_share(sent: Run) -> None:
    with closing(open_store(Path("digest.db"))) as db:
        db.conn.executemany(
            "INSERT OR REPLACE INTO figures (issue, measure, count) VALUES (1, ?, ?)",
            [
                *(("delivered", 276), ("accepted copies", 300), ("deferred", 4), ("opened", 60), ("hidden", 12)),
                *(("opened people", 36), ("hidden people", 3), ("opened unsure", 4), ("opened machines", 20)),
                *(("clicked", 9), ("clicked people", 8), ("clicked machines", 1), ("hidden clicked", 3)),
            ],
        )
    lines = lines_of(sent("report", "1"))
    assert "opened by people 36" in lines
    assert "people, seen 33 13% delivered, where an open can be seen" in lines
    assert "people, hidden 3 known by a click" in lines
    assert "put off at first 4" in lines
    for table in ("people", "summary"):
        text = sent("report", "1", "--csv", "-", "--table", table).out
        rows = {row["what"]: row for row in csv.DictReader(io.StringIO(text))}
        assert rows["opened by people"]["count"] == "36"
        assert (rows["opened by people"]["share"], rows["opened by people"]["of"]) == ("", "")
        seen = rows["opened by people, where it can be seen"]
        assert (seen["count"], seen["of"]) == ("33", "261")
        if table == "people":
            count = {what: int(row["count"]) for what, row in rows.items()}
            assert count["opened by people, where it can be seen"] + count["opened by people, known by a click"] == 36
            for what in ("opened", "clicked"):
                whose = (" by people", ", unsure", " by machines only")
                assert sum(count[what + one] for one in whose) == count[f"{what}, machines too"]
            assert (count["clicked of those who opened"], count["clicked of those who opened, machines too"]) == (5, 9)


def test_all_issues_and_the_audience_are_told_in_80_columns(sent: Run) -> None:
    ran = sent("report")
    assert ran.out.startswith("3 subscribed, 3 would be mailed now\n")
    assert all(cell_len(line) <= 80 for line in ran.out.splitlines())
    assert any(line.split()[:1] == ["1"] and "67%" in line for line in ran.out.splitlines())


def test_a_terminal_that_knows_no_blocks_gets_bars_it_can_show() -> None:
    assert bar(100, 100) == "█" * BAR
    assert bar(50, 100, ascii_only=True) == "#" * (BAR // 2)
    assert bar(1, 1000) != ""
    assert bar(1, 1000, ascii_only=True) == "#"
    assert bar(0, 1000) == bar(0, 0) == ""


def test_json_has_the_whole_report(sent: Run) -> None:
    found = sent("report", "1", "--json").data
    assert (found["audience"], found["delivered"], found["bounced_hard"]) == (3, 2, 1)
    assert found["rates"]["delivered"]["value"] == pytest.approx(2 / 3)
    over_time = sent("report", "--json", "--by", "month", "--last", "1").data
    assert (over_time["unit"], len(over_time["issues"])) == ("month", 1)
    assert over_time["growth"][-1]["joined"] == 3


@pytest.mark.parametrize("table", OF_AN_ISSUE + OVER_TIME)
def test_every_table_can_be_taken_along(sent: Run, table: str) -> None:
    number = ["1"] if table in OF_AN_ISSUE else []
    ran = sent("report", *number, "--csv", "-", "--table", table)
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert ran.out.partition("\n")[0].count(",") >= 3
    assert sent("report", *number, "--csv", "out.csv", "--table", table).out == f"Wrote {len(rows)} rows to out.csv.\n"
    assert Path("out.csv").read_text() == ran.out


def test_without_a_name_it_is_the_table_one_looks_at_first(sent: Run) -> None:
    assert sent("report", "--csv", "-").out == sent("report", "--csv", "-", "--table", "issues").out
    assert sent("report", "1", "--csv", "-").out == sent("report", "1", "--csv", "-", "--table", "summary").out


def test_the_tables_and_units_are_those_of_the_pages(sent: Run) -> None:
    with closing(open_store(Path("digest.db"))) as db:
        found = trends.over_time(db, now=times.now())
        assert {*OF_AN_ISSUE} == {*report_tables.of_issue(issue_report(db, Settings(), 1))}
        assert {*OVER_TIME} == {*report_tables.of_trends(found), "growth"}
    assert tuple(trends.PERIODS) == UNITS


def test_a_file_that_cannot_be_written_is_an_error(sent: Run) -> None:
    ran = sent("report", "--csv", "nowhere/out.csv", code=1)
    assert ran.err.startswith("digest: nowhere/out.csv: cannot be written")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--table", "growth"), "give --csv FILE"),
        (("--csv", "-", "--table", "links"), "name its NUMBER"),
        (("1", "--csv", "-", "--table", "growth"), "leave the NUMBER out"),
        (("--csv", "-", "--json"), "choose one"),
        (("1", "--link", "--csv", "-"), "choose one"),
    ],
)
def test_options_that_do_not_go_together_are_refused(sent: Run, options: tuple[str, ...], words: str) -> None:
    assert words in sent("report", *options, code=2).err


def test_what_was_not_sent_has_no_report(drafted: Run) -> None:
    assert "was never sent" in drafted("report", "1", code=1).err
    assert "there is no issue 7" in drafted("report", "7", code=1).err
    assert "there is no issue 7" in drafted("report", "7", "--link", code=1).err


def test_the_link_ends_when_it_says(sent: Run) -> None:
    site = ("--set", "base_url=https://verdicts.example.com")
    ran = sent("report", "--link", "--days", "3", *site)
    address = ran.out.strip()
    assert address.startswith("https://verdicts.example.com/reports/")
    assert address.endswith("/")
    assert "whoever has it" in ran.err
    found = sent("report", "1", "--link", "--json", *site).data
    assert found["url"].endswith("/issues/1")
    with closing(open_store(Path("digest.db"))) as db:
        links = Signers.of(db, Settings(), now=times.now()).links
        ends, none = links.read("report", address.split("/")[4])
    assert none == 0
    left = times.from_text(found["ends_at"]) - times.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert abs(ends - times.now().timestamp() - 3 * 86400) < 60


def test_where_nobody_else_does_deliveries_are_rolled_up(sent: Run) -> None:
    with closing(open_store(Path("digest.db"))) as db:
        db.execute("DELETE FROM roll_ups")
        db.execute("DELETE FROM figures WHERE measure = 'audience'")
    hosts = sent("report", "1", "--json").data["hosts"]
    assert [(host["name"], host["audience"], host["accepted"]) for host in hosts] == [("others", 3, 3)]
    with closing(open_store(Path("digest.db"))) as db:
        assert counting.to_roll_up(db) == []


def test_a_timeline_is_told_line_by_line(sent: Run) -> None:
    ran = sent("subscribers", "timeline", "ada@example.org")
    assert ran.out.startswith("ada@example.org: active\n")
    assert "voted on Ada: their vote on it now: none" in ran.out
    assert "it was delivered" in ran.out
    found = sent("subscribers", "timeline", "cid@example.org", "--json").data
    assert found["moments"][0]["kind"] == "bounced"
    assert "no subscriber has the address" in sent("subscribers", "timeline", "dan@example.org", code=1).err
