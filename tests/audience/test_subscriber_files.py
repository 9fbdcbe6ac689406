"""Subscribers from and to CSV: good rows go in, bad ones are reported, nobody who left comes back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import NOW, memory_store, remove
from digest.audience import importing
from digest.audience.addresses import read_address
from digest.audience.exporting import export_subscribers
from digest.audience.forgetting import forget
from digest.audience.importing import ImportReport, import_subscribers
from digest.audience.reading import read_moment
from digest.audience.subscribers import (
    REASONS,
    STATES,
    Reason,
    State,
    add,
    count_audience,
    find_subscribers,
    suppress,
)
from digest.errors import InputError
from digest.store import Database, file_of, open_store


def put(db: Database, text: str, *, dry_run: bool = False, now: datetime = NOW) -> ImportReport:
    return import_subscribers(db, "list.csv", io.StringIO(text, newline=""), now=now, dry_run=dry_run)


def counted(report: ImportReport) -> tuple[int, int, int]:
    return report.added, report.updated, report.unchanged


def everyone(db: Database) -> list[tuple[str, str | None, State, Reason | None]]:
    return [(one.email, one.name, one.state, one.suppressed) for one in find_subscribers(db)]


def bad(report: ImportReport) -> list[str]:
    return [str(error) for error in report.rejected]


def refused(db: Database, text: str) -> str:
    with pytest.raises(InputError) as error:
        put(db, text)
    assert everyone(db) == []
    return str(error.value)


def bar(db: Database, email: str, reason: Reason) -> None:
    suppress(db, read_address(email).key, reason, now=NOW)


# What goes in --------------------------------------------------------------------------------------------------------


def test_good_rows_go_in(db: Database) -> None:
    report = put(db, "email,name,state\nada@example.org,Ada,active\nbea@example.org,,pending\ncid@example.org,Cid,\n")
    assert counted(report) == (3, 0, 0)
    assert everyone(db) == [
        ("ada@example.org", "Ada", "active", None),
        ("bea@example.org", None, "pending", None),
        ("cid@example.org", "Cid", "active", None),
    ]
    assert next(find_subscribers(db)).source == "import"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffemail,name\r\nada@example.org,Ada\r\n",
        "Name, E-Mail ,Email Address\nAda,,ada@example.org",
        '"EMAIL","NAME"\n"ada@example.org","Ada"\n',
        "email,name,state\nada@example.org,Ada\n",
        "email,name\n\n,,\n  \nada@example.org ,  Ada\n\n",
        "email,status,name\nada@example.org,Subscribed,Ada\n",
        "email;name\nada@example.org;Ada\n",
        "name\temail\nAda\tada@example.org\n",
        "email,name\nada@example.org,Ada,,\n",
    ],
)
def test_a_file_is_read_as_programs_and_people_write_it(db: Database, text: str) -> None:
    report = put(db, text)
    assert not report.rejected
    assert everyone(db) == [("ada@example.org", "Ada", "active", None)]


def test_columns_that_are_not_used_are_named(db: Database) -> None:
    assert put(db, "email,Phone,First Name,\nada@example.org,1,Ada,\n").unused_columns == ["phone", "first_name"]


def test_a_file_with_a_header_alone_has_nobody_in_it(db: Database) -> None:
    assert counted(put(db, "email,name\n")) == (0, 0, 0)


def test_those_who_unsubscribed_elsewhere_are_suppressed_here(db: Database) -> None:
    put(db, "email,state\nada@example.org,unsubscribed\n")
    assert everyone(db) == [("ada@example.org", None, "unsubscribed", "unsubscribed")]
    assert put(db, "email\nada@example.org\n").kept_out == ["list.csv:2: ada@example.org stays out (unsubscribed)"]


def test_those_who_were_suppressed_elsewhere_are_suppressed_here(db: Database) -> None:
    add(db, "bea@example.org", now=NOW)
    report = put(
        db,
        "email,state,suppressed\nada@example.org,active,Hard Bounce\nbea@example.org,active,complaint\n"
        "cid@example.org,unsubscribed,complaint\n",
    )
    assert counted(report) == (2, 1, 0)
    assert everyone(db) == [
        ("bea@example.org", None, "active", "complaint"),
        ("ada@example.org", None, "active", "hard bounce"),
        ("cid@example.org", None, "unsubscribed", "complaint"),
    ]
    assert list(count_audience(db).values()) == [0, 0, 1, 2]


def test_a_row_may_unsubscribe_one_who_is_active(db: Database) -> None:
    add(db, "ada@example.org", now=NOW)
    report = put(db, "email,state\nADA@example.org,unsubscribed\n")
    assert counted(report) == (0, 1, 0)
    assert everyone(db) == [("ada@example.org", None, "unsubscribed", "unsubscribed")]


def test_a_row_may_give_a_name_but_not_take_one_away(db: Database) -> None:
    add(db, "ada@example.org", now=NOW)
    assert counted(put(db, "email,name\nada@example.org,Ada\n")) == (0, 1, 0)
    assert counted(put(db, "email,name\nada@example.org,\n")) == (0, 0, 1)
    assert everyone(db) == [("ada@example.org", "Ada", "active", None)]


def test_a_row_confirms_nobody_and_sends_nobody_back_to_confirm(db: Database) -> None:
    put(db, "email,state\nada@example.org,pending\nbea@example.org,active\n")
    assert counted(put(db, "email,state\nada@example.org,active\nbea@example.org,pending\n")) == (0, 0, 2)
    assert [state for _, _, state, _ in everyone(db)] == ["pending", "active"]


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize("state", ["active", "pending", ""])
def test_nobody_who_is_suppressed_is_brought_back(db: Database, reason: Reason, was_there: bool, state: str) -> None:
    if was_there:
        add(db, "ada@example.org", now=NOW)
    bar(db, "ada@example.org", reason)
    before = everyone(db)
    report = put(db, f"email,name,state\nADA@example.org,Ada,{state}\n")
    assert counted(report) == (0, 0, 0)
    assert report.kept_out == [f"list.csv:2: ADA@example.org stays out ({reason})"]
    assert everyone(db) == before


def test_nobody_who_unsubscribed_is_brought_back(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now)
    remove(db, "ada@example.org", now=now)
    db.conn.execute("DELETE FROM suppressions")
    assert put(db, "email\nada@example.org\n").kept_out
    assert [state for _, _, state, _ in everyone(db)] == ["unsubscribed"]


# What does not -------------------------------------------------------------------------------------------------------


def test_bad_rows_are_reported_with_line_and_field_and_the_others_go_in(db: Database) -> None:
    report = put(
        db,
        "email,state,suppressed\n"
        "ada,active,\n"
        "bea@example.org,unsubscribd,\n"
        "cid@example.org,,complain\n"
        ",active,\n"
        "dee@example.org,active,\n",
    )
    assert [email for email, _, _, _ in everyone(db)] == ["dee@example.org"]
    assert [(error.line, error.field) for error in report.rejected] == [
        (2, "email"),
        (3, "state"),
        (4, "suppressed"),
        (5, "email"),
    ]
    assert bad(report)[0].startswith("list.csv:2: email: 'ada' is not an email address: ")
    assert bad(report)[1:3] == [
        "list.csv:3: state: 'unsubscribd' is not one of pending, active, unsubscribed; did you mean 'unsubscribed'?",
        "list.csv:4: suppressed: 'complain' is not one of unsubscribed, hard bounce, complaint, forgotten;"
        " did you mean 'complaint'?",
    ]


def test_one_mailbox_twice_goes_in_once_and_both_lines_are_named(db: Database) -> None:
    report = put(
        db,
        "email\nada@example.org\nmüller@bücher.example.org\nADA@Example.org\nMüller@xn--bcher-kva.example.org\n",
    )
    assert report.duplicates == [
        "list.csv:4: ADA@Example.org stands in line 2 already",
        "list.csv:5: Müller@bücher.example.org stands in line 3 already",
    ]
    assert counted(report) == (2, 0, 0)


def test_lines_are_counted_through_cells_of_several_lines(db: Database) -> None:
    report = put(db, 'email,name\r\nada@example.org,"Ada\r\nCountess\r\n"\r\nbea\r\n\r\n"cid"\nada@example.org,\n')
    assert everyone(db) == [("ada@example.org", "Ada Countess", "active", None)]
    assert [error.line for error in report.rejected] == [5, 7]
    assert report.duplicates == ["list.csv:8: ada@example.org stands in line 2 already"]


def test_a_quotation_mark_that_never_closes_is_reported_where_it_opens(db: Database) -> None:
    report = put(db, 'email,name\nada@example.org,Ada\nbea@example.org,"Bea\ncid@example.org,Cid\n')
    assert [email for email, _, _, _ in everyone(db)] == ["ada@example.org"]
    assert bad(report) == [
        "list.csv:3: a quotation mark opens here and never closes, so the rest of the file cannot be read"
    ]


def test_a_row_that_is_no_csv_costs_nothing_but_itself(db: Database) -> None:
    report = put(db, 'email,name\nada@example.org,"Ada" Lovelace\nbea@example.org,Bea\n')
    assert [email for email, _, _, _ in everyone(db)] == ["bea@example.org"]
    assert bad(report) == ["list.csv:2: is not CSV: ',' expected after '\"'"]


def test_a_row_that_is_not_utf_8_costs_nothing_but_itself(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes(b"email,name\nada@example.org,J\xfcrgen\nbea@example.org,Bea\n")
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        report = import_subscribers(db, "latin.csv", lines, now=NOW)
    assert bad(report) == ["latin.csv:2: is not UTF-8; save the file as UTF-8"]
    assert [email for email, _, _, _ in everyone(db)] == ["bea@example.org"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the first line must name the columns, one of them email"),
        ("ada@example.org,Ada\n", "the first line must name the columns, one of them email"),
        ("name,e-mail\nAda,ada@example.org\n", "one of them email; did you mean 'email'?"),
        ('"email,name\nada@example.org,Ada\n', "a quotation mark opens here and never closes"),
        ("\udcff\udcfee\x00m\x00a\x00i\x00l\x00", "is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_file_without_a_column_of_addresses_is_refused(db: Database, text: str, words: str) -> None:
    message = refused(db, text)
    assert message.startswith("list.csv:1: ")
    assert words in message


def test_a_cell_without_end_does_not_stop_the_import(db: Database) -> None:
    report = put(db, 'email,name\nada@example.org,"' + "x" * 200_000 + "\nbea@example.org,Bea\n")
    assert [error.line for error in report.rejected] == [2]
    assert "closes too far on" in bad(report)[0]
    assert [email for email, _, _, _ in everyone(db)] == ["bea@example.org"]


# Again and again -----------------------------------------------------------------------------------------------------

LIST = "email,name,state\nada@example.org,Ada,active\nbea@example.org,,pending\ncid@example.org,Cid,unsubscribed\n"


def test_importing_again_changes_nothing(db: Database) -> None:
    assert counted(put(db, LIST)) == (3, 0, 0)
    before = list(db.conn.iterdump())
    report = put(db, LIST, now=NOW + timedelta(days=1))
    assert counted(report) == (0, 0, 3)
    assert list(db.conn.iterdump()) == before


def test_a_dry_run_tells_the_same_and_changes_nothing(db: Database) -> None:
    add(db, "ada@example.org", now=NOW)
    bar(db, "bea@example.org", "complaint")
    before = list(db.conn.iterdump())
    text = LIST + "dee\nADA@example.org,,\neve@example.org,,\n"
    told = put(db, text, dry_run=True)
    assert list(db.conn.iterdump()) == before
    assert counted(told) == (2, 1, 0)
    done = put(db, text)
    assert (counted(done), done.kept_out, done.duplicates) == (counted(told), told.kept_out, told.duplicates)
    assert bad(done) == bad(told)


def test_a_large_file_goes_in_by_parts_and_tells_how_far_it_is(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ROWS_A_PART", 10)
    monkeypatch.setattr(importing, "ROWS_A_STATEMENT", 4)
    told: list[int] = []
    lines = ["email\n", *(f"reader{number % 24}@example.org\n" for number in range(30))]
    report = import_subscribers(db, "list.csv", lines, now=NOW, progress=told.append)
    assert (report.added, len(report.duplicates)) == (24, 6)
    assert told == [10, 10, 10]


def test_an_import_that_is_stopped_leaves_nothing_behind(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ROWS_A_PART", 10)

    def lines() -> Iterator[str]:
        yield "email\n"
        for number in range(25):
            yield f"reader{number}@example.org\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_subscribers(db, "list.csv", lines(), now=NOW)
    assert everyone(db) == []
    assert put(db, LIST).added == 3


# Out and in again ----------------------------------------------------------------------------------------------------


def exported(db: Database, state: State | None = None) -> str:
    to = io.StringIO(newline="")
    count = export_subscribers(db, to, state=state)
    text = to.getvalue()
    assert count == sum(1 for _ in csv.DictReader(io.StringIO(text, newline="")))
    return text


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_an_export_has_a_header_and_a_row_for_everyone(db: Database) -> None:
    assert exported(db) == "email,name,state,suppressed,source,created_at,timezone,topics,paused_until\n"
    put(db, LIST)
    assert exported(db).splitlines()[1:] == [
        "ada@example.org,Ada,active,,import,2026-11-26T09:00:00.000000Z,,,",
        "bea@example.org,,pending,,import,2026-11-26T09:00:00.000000Z,,,",
        "cid@example.org,Cid,unsubscribed,unsubscribed,import,2026-11-26T09:00:00.000000Z,,,",
    ]
    assert [row["email"] for row in cells(exported(db, "pending"))] == ["bea@example.org"]


def test_a_time_zone_goes_in_and_comes_out_and_what_is_none_is_told(db: Database) -> None:
    rows = "email,timezone\nada@example.org,Asia/Tokyo\nbea@example.org,Atlantis\n"
    report = put(db, rows)
    assert (report.added, report.unused_names) == (2, ["list.csv:3: 'Atlantis' is no time zone, and is not used"])
    assert [row["timezone"] for row in cells(exported(db))] == ["Asia/Tokyo", ""]
    assert put(db, rows.replace("Asia/Tokyo", "Asia/Seoul")).updated == 1
    assert put(db, "email\nada@example.org\n").unchanged == 1
    assert [row["timezone"] for row in cells(exported(db))] == ["Asia/Seoul", ""]


def test_no_cell_of_an_export_is_a_formula_and_all_come_back_as_they_were(db: Database, tmp_path: Path) -> None:
    people = [
        ("ada@example.org", "=1+1"),
        ("bea@example.org", "-Bea"),
        ("cid@example.org", "+Cid"),
        ("dee@example.org", "'Dee"),
        ("eve@example.org", "'=Eve"),
        ("=1@example.org", None),
        ("+fay@example.org", "''-Fay"),
        ("'-gus@example.org", None),
    ]
    for email, name in people:
        add(db, email, now=NOW, name=name)
    text = exported(db)
    assert not [value for row in cells(text) for value in row.values() if value.startswith(("=", "+", "-", "@"))]
    with closing(open_store(tmp_path / "other.db", create=True)) as other:
        put(other, text)
        assert [(email, name) for email, name, _, _ in everyone(other)] == people


_names = st.none() | st.text("ab =+-@'\",;\n\té", max_size=6)
_people = st.lists(
    st.tuples(
        st.sampled_from(["ada@example.org", "=1@example.org", "'+b@example.org", "müller@bücher.example.org"]),
        _names,
        st.sampled_from(STATES),
        st.none() | st.sampled_from(REASONS),
    ),
    unique_by=lambda person: person[0],
)


@hypothesis_settings(max_examples=30, deadline=None)
@given(_people)
@example([("ada@example.org", "'", "pending", "complaint")])
def test_an_export_makes_the_same_audience_in_an_empty_store(
    people: list[tuple[str, str | None, State, Reason | None]],
) -> None:
    with closing(memory_store()) as db, closing(memory_store()) as other:
        for email, name, state, reason in people:
            add(db, email, now=NOW, name=name)
            db.conn.execute("UPDATE subscribers SET state = ? WHERE email = ?", (state, email))
            if reason or state == "unsubscribed":
                bar(db, email, reason or "unsubscribed")
        report = put(other, exported(db))
        assert (counted(report), report.rejected) == ((len(people), 0, 0), [])
        assert everyone(other) == everyone(db)
        assert count_audience(other) == count_audience(db)
        assert put(db, exported(db)).added == 0


def test_of_two_rows_with_one_mailbox_the_one_that_left_counts(db: Database) -> None:
    text = "email,state\nada@example.com,active\nben@example.com,active\nADA@example.com,unsubscribed\n"
    report = import_subscribers(db, "x.csv", text.splitlines(keepends=True), now=NOW)
    assert [s.state for s in find_subscribers(db)] == ["unsubscribed", "active"]
    assert report.duplicates == [
        "x.csv:4: ADA@example.com stands in line 2 already; this line says that the reader left, and counts"
    ]
    again = import_subscribers(db, "x.csv", text.splitlines(keepends=True), now=NOW)
    assert (again.added, again.updated) == (0, 0)


def test_who_was_forgotten_does_not_come_back_in_any_state(db: Database) -> None:
    suppress(db, "ada@example.com", "forgotten", now=NOW)
    for state in ("active", "pending", "unsubscribed"):
        report = import_subscribers(db, "x.csv", ["email,state\n", f"ada@example.com,{state}\n"], now=NOW)
        assert report.kept_out == ["x.csv:2: ada@example.com stays out (forgotten)"]
    assert list(find_subscribers(db)) == []


def test_a_name_that_is_none_is_reported_and_its_reader_goes_in(db: Database) -> None:
    report = import_subscribers(db, "x.csv", ["email,name\n", "ada@example.com,see https://evil.example/\n"], now=NOW)
    assert report.added == 1
    assert report.unused_names == ["x.csv:2: 'see https://evil.example/' is no name to greet with, and is not used"]


def test_a_row_with_more_cells_than_columns_is_reported(db: Database) -> None:
    report = put(db, "email,name\nada@example.org,Lovelace, Ada\nbea@example.org,Bea\n")
    assert bad(report) == ["list.csv:2: has 3 cells where the header has 2; text with a separator in it goes in quotes"]
    assert report.added == 1


# Much at once --------------------------------------------------------------------------------------------------------


def test_rows_of_a_large_file_become_the_same_audience(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "IN_FILE_ORDER", 2)
    add(db, "dee@example.org", now=NOW)
    report = put(db, LIST + "dee@example.org,Dee,\nada@example.org,,unsubscribed\n")
    assert (counted(report), report.suppressed, report.added_in) == ((3, 1, 0), 2, {"pending": 1, "unsubscribed": 2})
    assert sorted(everyone(db)) == [
        ("ada@example.org", "Ada", "unsubscribed", "unsubscribed"),
        ("bea@example.org", None, "pending", None),
        ("cid@example.org", "Cid", "unsubscribed", "unsubscribed"),
        ("dee@example.org", "Dee", "active", None),
    ]


def test_what_is_told_does_not_grow_with_the_file(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.audience.reading.TOLD", 2)
    monkeypatch.setattr(importing, "TOLD", 2)
    bar(db, "ada@example.org", "complaint")
    bar(db, "bea@example.org", "complaint")
    bar(db, "cid@example.org", "complaint")
    rows = "".join(f"{name}@example.org\n" for name in ("ada", "bea", "cid", *["dee"] * 5)) + "no\n" * 4
    report = put(db, "email\n" + rows)
    assert [len(told) for told in (report.kept_out, report.duplicates, report.rejected)] == [2, 2, 2]
    assert [told.total for told in (report.kept_out, report.duplicates, report.rejected)] == [3, 4, 4]


def test_nobody_waits_for_the_store_while_a_file_is_read(db: Database) -> None:
    waiting = open_store(Path(file_of(db)))
    waiting.conn.execute("PRAGMA busy_timeout = 0")

    def lines() -> Iterator[str]:
        yield "email\n"
        yield "ada@example.org\n"
        add(waiting, "bea@example.org", now=NOW)
        yield "bea@example.org\n"

    with closing(waiting):
        report = import_subscribers(db, "list.csv", lines(), now=NOW)
    assert counted(report) == (1, 0, 1)


# What is kept of a row -----------------------------------------------------------------------------------------------


def test_the_day_somebody_came_is_kept_and_who_has_to_confirm_begins_anew(db: Database) -> None:
    report = put(
        db,
        "email,state,created_at\nada@example.org,,2021-03-04T10:20:30Z\nbea@example.org,pending,2021-03-04\n"
        "cid@example.org,,2030-01-01\ndee@example.org,,once\n",
    )
    assert [one.created_at[:19] for one in find_subscribers(db)] == [
        "2021-03-04T10:20:30",
        *["2026-11-26T09:00:00"] * 3,
    ]
    assert report.unused_names == [
        "list.csv:4: '2030-01-01' is no time at which somebody can have come, and is not used",
        "list.csv:5: 'once' is no time at which somebody can have come, and is not used",
    ]


def test_topics_and_a_pause_go_out_and_in_again_but_change_nobody_who_chose_already(db: Database) -> None:
    put(db, 'email,topics,paused_until\nada@example.org,"b, a",2027-01-01\nbea@example.org,,2020-01-01\n')
    there = [(row["email"], row["topics"], row["paused_until"]) for row in cells(exported(db))]
    assert there == [("ada@example.org", "a b", "2027-01-01T00:00:00.000000Z"), ("bea@example.org", "", "")]
    with closing(memory_store()) as other:
        put(other, exported(db))
        assert exported(other) == exported(db)
    assert counted(put(db, "email,topics\nada@example.org,c\nbea@example.org,c\n")) == (0, 0, 2)
    assert [(row["email"], row["topics"], row["paused_until"]) for row in cells(exported(db))] == there


@pytest.mark.parametrize("state", ["active", "pending", "unsubscribed"])
def test_who_was_forgotten_stays_forgotten_and_is_in_no_export(db: Database, state: str) -> None:
    subscriber, _ = add(db, "ada@example.org", now=NOW)
    add(db, "bea@example.org", now=NOW)
    forget(db, subscriber.id, now=NOW)
    before = list(db.conn.iterdump())
    report = put(db, f"email,state\nADA@example.org,{state}\n")
    assert report.kept_out == ["list.csv:2: ADA@example.org stays out (forgotten)"]
    assert list(db.conn.iterdump()) == before
    assert [row["email"] for row in cells(exported(db))] == ["bea@example.org"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2018-02-12 10:54:27", "2018-02-12T10:54:27+00:00"),
        ("2018-08-27T15:06:27.713Z", "2018-08-27T15:06:27.713000+00:00"),
        ("2023-03-24 10:23:10 UTC", "2023-03-24T10:23:10+00:00"),
        ("2024-01-02 15:04:05.999999 +0200 EET", "2024-01-02T13:04:05.999999+00:00"),
        ("2024-01-02", "2024-01-02T00:00:00+00:00"),
        ("2024-02-30", None),
        ("2024-01-02 25:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("12/03/2024", None),
        ("", None),
    ],
)
def test_moments_are_read_as_services_write_them(text: str, moment: str | None) -> None:
    found = read_moment(text)
    assert (found.isoformat() if found else None) == moment
