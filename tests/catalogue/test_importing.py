from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.catalogue.file_import import FileReport
from digest.catalogue.importing import gather, import_files
from digest.errors import InputError, UnknownReferenceError
from digest.store import Database, open_store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")

File = tuple[str, dict[str, Any] | str]

TOOLS: File = ("tools.json", {"tools": [{"name": "Anvil"}, {"name": "Bellows", "tagline": "Blows"}]})


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = open_store(tmp_path / "digest.db", create=True)
    yield store
    store.close()


def bring_in(db: Database, *files: File, now: datetime = NOW, dry_run: bool = False) -> list[FileReport]:
    """Import files, each given as text or as a JSON document."""
    contents = [
        (name, (content if isinstance(content, str) else json.dumps(content, indent=0)).encode())
        for name, content in files
    ]
    return import_files(db, contents, now=now, zone=BERLIN, dry_run=dry_run)


def changed(*reports: FileReport) -> list[tuple[str, str, str, tuple[str, ...]]]:
    assert [report.error for report in reports if report.error] == []
    return [
        (change.kind, change.name, change.outcome, change.fields)
        for report in reports
        for change in report.changes
        if change.outcome != "unchanged"
    ]


def refused(report: FileReport) -> tuple[int | None, str | None, str]:
    assert report.error is not None
    assert report.error.file == report.file
    assert (report.changes, report.notes) == ([], [])
    return report.error.line, report.error.field, report.error.message


def one(db: Database, sql: str) -> Any:
    [row] = db.conn.execute(sql).fetchall()
    return row[0] if len(row) == 1 else row


def everything(db: Database) -> list[list[Any]]:
    tables = ("tools", "reviewers", "reviews", "comparisons", "votes")
    return [db.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]


# Tools --------------------------------------------------------------------------------------------------------


def test_two_spellings_of_one_tool_do_not_become_two(db: Database) -> None:
    bring_in(db, ("a.json", {"tools": [{"name": "SmolVLM-3B"}]}))
    [report] = bring_in(db, ("b.json", {"tools": [{"name": "smolvlm  3b", "entry": "free"}]}))
    assert changed(report) == [("tool", "SmolVLM-3B", "updated", ("entry",))]
    assert report.notes == ["'smolvlm 3b' is taken to be 'SmolVLM-3B' (smolvlm-3b)"]
    assert one(db, "SELECT name, slug, entry FROM tools") == ("SmolVLM-3B", "smolvlm-3b", "free")


def test_a_tool_that_is_known_by_its_slug_may_get_another_name(db: Database) -> None:
    bring_in(db, ("a.json", {"tools": [{"slug": "anvil", "name": "Anvil"}]}))
    [report] = bring_in(db, ("a.json", {"tools": [{"slug": "anvil", "name": "Anvil Pro"}]}))
    assert changed(report) == [("tool", "Anvil", "updated", ("name",))]
    assert one(db, "SELECT name, slug FROM tools") == ("Anvil Pro", "anvil")
    [report] = bring_in(db, ("b.json", {"tools": [{"name": "ANVIL PRO"}]}))
    assert changed(report) == []


def test_a_slug_stays_as_it_first_was(db: Database) -> None:
    bring_in(db, TOOLS)
    [report] = bring_in(db, ("a.json", {"tools": [{"slug": "big-anvil", "name": "Anvil"}]}))
    assert changed(report) == []
    assert report.notes == ["'Anvil' is taken to be 'Anvil' (anvil)"]


def test_a_slug_of_one_tool_with_the_name_of_another_is_refused(db: Database) -> None:
    [_, report] = bring_in(db, TOOLS, ("b.json", {"tools": [{"slug": "anvil", "name": "bellows"}]}))
    assert refused(report) == (5, "name", "'bellows' is a spelling of another tool, 'bellows'")


def test_two_names_with_one_slug_between_them_stay_two_tools(db: Database) -> None:
    bring_in(db, ("a.json", {"tools": [{"name": "Ж"}, {"name": "Zh"}]}))
    assert db.conn.execute("SELECT name, slug FROM tools ORDER BY id").fetchall() == [("Ж", "zh"), ("Zh", "zh-2")]


def test_reviews_inside_a_tool_go_to_that_tool_whatever_slug_it_has_here(db: Database) -> None:
    bring_in(db, TOOLS)
    review = {"reviewer": "Builder", "quote": "Heavy."}
    [report] = bring_in(db, ("a.json", {"tools": [{"slug": "big-anvil", "name": "Anvil", "reviews": [review]}]}))
    assert changed(report)[-1] == ("review", "Builder on Anvil", "added", ())


def test_reviews_inside_a_tool_do_not_go_to_another_whose_slug_is_that_name(db: Database) -> None:
    review = {"reviewer": "Builder", "quote": "Small."}
    tools = [{"slug": "pika", "name": "Pika Labs"}, {"name": "pika", "reviews": [review]}]
    [report] = bring_in(db, ("a.json", {"tools": tools}))
    assert changed(report)[-1] == ("review", "Builder on pika", "added", ())


def test_a_field_that_is_not_stated_stays_and_null_clears_it(db: Database) -> None:
    full = {"name": "Anvil", "tagline": "Stays put", "entry": "paid", "panel_ship": 75, "url": "https://anvil.example"}
    bring_in(db, ("a.json", {"tools": [full]}))
    [report] = bring_in(db, ("b.csv", "name,tagline,entry\nAnvil,,free\n"))
    assert changed(report) == [("tool", "Anvil", "updated", ("entry",))]
    [report] = bring_in(db, ("c.json", {"tools": [{"name": "Anvil", "tagline": None, "panel_ship": None}]}))
    assert changed(report) == [("tool", "Anvil", "updated", ("tagline", "panel_ship"))]
    found = one(db, "SELECT tagline, entry, panel_ship, url FROM tools")
    assert found == (None, "free", None, "https://anvil.example")


def test_spaces_around_a_text_are_no_part_of_it(db: Database) -> None:
    catalogue = {
        "reviewers": [{"name": " Ann ", "stance": " Doubts. "}],
        "tools": [{"name": "  Big   Anvil ", "tagline": " Stays put\n", "description": "  "}],
        "reviews": [
            {"tool": " big anvil", "reviewer": "Ann ", "quote": "\tHeavy. "},
            {"tool": "Big Anvil", "reviewer": " Doctor  Quartz", "quote": "Heavy."},
        ],
    }
    bring_in(db, ("a.json", catalogue))
    assert one(db, "SELECT name, tagline, description FROM tools") == ("Big Anvil", "Stays put", None)
    reviewers = db.conn.execute("SELECT name, stance FROM reviewers ORDER BY id").fetchall()
    assert reviewers == [("Ann", "Doubts."), ("Doctor Quartz", None)]
    assert db.conn.execute("SELECT DISTINCT quote FROM reviews").fetchall() == [("Heavy.",)]
    assert changed(*bring_in(db, ("a.json", catalogue), now=LATER)) == []


def test_only_what_changed_is_marked_as_updated_now(db: Database) -> None:
    bring_in(db, TOOLS)
    bring_in(db, ("b.csv", "name,entry\nAnvil,free"), TOOLS, now=LATER)
    found = db.conn.execute("SELECT name, substr(created_at, 9, 2), substr(updated_at, 9, 2) FROM tools").fetchall()
    assert found == [("Anvil", "21", "22"), ("Bellows", "21", "21")]


# The panel ----------------------------------------------------------------------------------------------------


def panel(db: Database) -> list[str]:
    return [name for (name,) in db.conn.execute("SELECT name FROM reviewers ORDER BY position, slug")]


def reviews_by(*names: str) -> File:
    return ("reviews.json", {"reviews": [{"tool": "Anvil", "reviewer": name, "quote": "Heavy."} for name in names]})


def test_a_wholly_new_reviewer_joins_behind_the_panel(db: Database) -> None:
    [_, report] = bring_in(db, TOOLS, reviews_by("Founder", "Ann", "Builder", "Zoe"))
    assert [change[:3] for change in changed(report) if change[0] == "reviewer"] == [
        ("reviewer", name, "added") for name in ("Founder", "Ann", "Builder", "Zoe")
    ]
    assert panel(db) == ["Builder", "Founder", "Ann", "Zoe"]


@pytest.mark.parametrize("name", ["Bulider", "bulider", "BUILDR"])
def test_a_name_that_nearly_is_a_reviewers_is_refused(db: Database, name: str) -> None:
    [_, report] = bring_in(db, TOOLS, reviews_by("Builder"))
    [report] = bring_in(db, reviews_by("Builder", name))
    line, field, message = refused(report)
    assert (line, field) == (10, "reviewer")
    assert message == f"there is no reviewer {name!r}; did you mean 'Builder'?"
    assert panel(db) == ["Builder"]


def test_a_reviewer_is_known_by_slug_and_in_any_spelling(db: Database) -> None:
    bring_in(db, TOOLS, ("p.json", {"reviewers": [{"slug": "eng", "name": "ML Engineer"}]}))
    for name in ("eng", "ML-engineer"):
        assert changed(*bring_in(db, reviews_by(name))) in ([], [("review", "ML Engineer on Anvil", "added", ())])
    assert panel(db) == ["ML Engineer"]


def test_a_name_of_the_pages_panel_is_never_taken_for_a_typing_error(db: Database) -> None:
    bring_in(db, TOOLS, reviews_by("Foundry", "Founder"))
    assert panel(db) == ["Founder", "Foundry"]


def test_a_reviewer_that_was_only_named_gets_stance_and_place_later(db: Database) -> None:
    bring_in(db, TOOLS, reviews_by("Ann", "Builder"))
    reviewer = {"name": "Ann", "stance": "Doubts.", "position": 1}
    [report] = bring_in(db, ("panel.json", {"reviewers": [reviewer]}))
    assert changed(report) == [("reviewer", "Ann", "updated", ("stance", "position"))]
    assert panel(db) == ["Ann", "Builder"]


def test_a_reviewer_cannot_take_the_name_of_another(db: Database) -> None:
    bring_in(db, ("panel.json", {"reviewers": [{"name": "Ann"}, {"name": "Bob"}]}))
    [report] = bring_in(db, ("panel.json", {"reviewers": [{"slug": "bob", "name": "ann"}]}))
    assert refused(report) == (5, "name", "'ann' is a spelling of another reviewer, 'ann'")


# Comparisons, votes and times ---------------------------------------------------------------------------------


def versus(**fields: str) -> File:
    return ("c.json", {"comparisons": [{"left": "Anvil", "right": "Bellows", **fields}]})


def published(db: Database) -> str:
    return str(one(db, "SELECT published_at FROM comparisons"))


def test_a_comparison_is_published_when_it_comes_in_unless_it_says_when(db: Database) -> None:
    bring_in(db, TOOLS, versus())
    bring_in(db, versus(), now=LATER)
    assert published(db) == "2026-11-21T12:00:00.000000Z"
    [report] = bring_in(db, versus(published_at="2026-11-26 09:00"))
    assert changed(report) == [("comparison", "Anvil vs Bellows", "updated", ("published_at",))]
    assert published(db) == "2026-11-26T08:00:00.000000Z"


def test_an_age_counts_from_the_first_import_and_does_not_move(db: Database) -> None:
    bring_in(db, TOOLS, versus(published_at="-3d"))
    assert published(db) == "2026-11-18T12:00:00.000000Z"
    assert changed(*bring_in(db, versus(published_at="-3d"), now=LATER)) == []
    assert published(db) == "2026-11-18T12:00:00.000000Z"


def test_a_time_that_the_clocks_leave_out_is_refused_with_its_line(db: Database) -> None:
    [_, report] = bring_in(db, TOOLS, versus(published_at="2026-03-29 02:30"))
    line, field, message = refused(report)
    assert (line, field) == (6, "published_at")
    assert "does not exist in Europe/Berlin" in message


def test_a_comparison_is_known_by_its_slug_and_may_get_other_tools(db: Database) -> None:
    bring_in(db, TOOLS, versus(slug="hot-iron"))
    [report] = bring_in(db, ("c.csv", "slug,left,right\nhot-iron,Bellows,Anvil\n"))
    assert changed(report) == [("comparison", "Bellows vs Anvil", "updated", ("left_tool", "right_tool"))]
    [report] = bring_in(db, versus())
    assert changed(report) == [("comparison", "Anvil vs Bellows", "added", ())]


def test_a_tool_is_not_compared_with_itself(db: Database) -> None:
    [_, report] = bring_in(db, TOOLS, ("c.csv", "left,right\nAnvil,Bellows\nAnvil,a-n-v-i-l\n"))
    assert refused(report) == (3, "right", "both sides are 'Anvil'; a comparison has two tools")


def test_a_voter_has_one_vote_a_tool_which_may_change(db: Database) -> None:
    votes = "tool,voter,verdict,voted_at\nAnvil,v1,ship,-2d\nAnvil,v2,skip,\nBellows,v1,skip,2026-11-20 10:00\n"
    [_, report] = bring_in(db, TOOLS, ("votes.csv", votes))
    assert report.count("added") == {"votes": 3}
    [report] = bring_in(db, ("votes.csv", votes.replace("v1,ship", "v1,skip")), now=LATER)
    assert changed(report) == [("vote", "v1 on Anvil", "updated", ())]
    assert report.count("unchanged") == {"votes": 2}
    found = db.conn.execute("SELECT voter, verdict, voted_at FROM votes ORDER BY tool, voter").fetchall()
    assert found == [
        ("v1", "skip", "2026-11-20T12:00:00.000000Z"),
        ("v2", "skip", "2026-11-21T12:00:00.000000Z"),
        ("v1", "skip", "2026-11-20T09:00:00.000000Z"),
    ]


def test_a_time_of_a_vote_that_cannot_be_is_refused(db: Database) -> None:
    [_, report] = bring_in(db, TOOLS, ("votes.csv", "tool,voter,verdict,voted_at\nAnvil,v1,ship,2026-02-30\n"))
    assert refused(report)[:2] == (2, "voted_at")


# Files --------------------------------------------------------------------------------------------------------


def test_of_a_bad_file_nothing_goes_in_while_others_do(db: Database) -> None:
    bad = ("bad.json", {"tools": [{"name": "Chisel"}, {"name": "Drill", "entry": "payed"}]})
    half = ("half.json", {"tools": [{"name": "Easel"}], "comparisons": [{"left": "Easel", "right": "EASEL"}]})
    reports = bring_in(db, bad, half, TOOLS)
    assert refused(reports[0]) == (8, "entry", "'payed' is not one of free, freemium, paid; did you mean 'paid'?")
    assert refused(reports[1])[1] == "right"
    assert [change[1] for change in changed(reports[2])] == ["Anvil", "Bellows"]
    assert [name for (name,) in db.conn.execute("SELECT name FROM tools ORDER BY name")] == ["Anvil", "Bellows"]


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    votes = ("votes.csv", "tool,voter,verdict\nAnvil,v1,ship\n")
    files = [TOOLS, reviews_by("Ann"), versus(), votes]
    found = set()
    for number, order in enumerate(permutations(files)):
        db = open_store(tmp_path / f"{number}.db", create=True)
        reports = bring_in(db, *order)
        assert [report.file for report in reports] == [name for name, _ in order]
        assert len(changed(*reports)) == 6
        found.add(repr(everything(db)))
        db.close()
    assert len(found) == 1


def test_within_a_file_what_is_named_may_come_after_what_names_it(db: Database) -> None:
    lines = [
        {"type": "vote", "tool": "a", "voter": "v1", "verdict": "ship"},
        {"type": "comparison", "left": "a", "right": "b"},
        {"type": "review", "tool": "a", "reviewer": "Ann", "quote": "Fine."},
        {"type": "tool", "name": "a"},
        {"type": "tool", "name": "b"},
    ]
    [report] = bring_in(db, ("all.jsonl", "\n".join(json.dumps(line) for line in lines)))
    assert report.count("added") == {"reviewers": 1, "tools": 2, "reviews": 1, "comparisons": 1, "votes": 1}


@pytest.mark.parametrize(
    ("file", "field"),
    [
        (("r.csv", "tool,reviewer,quote\nAnvil,Ann,Fine.\nBelows,Ann,Fine."), "tool"),
        (("v.csv", "tool,voter,verdict\nAnvil,v1,ship\nBelows,v1,ship"), "tool"),
        (("c.csv", "left,right\nBellows,Anvil\nAnvil,Belows"), "right"),
        (("c.csv", "left,right\nBellows,Anvil\nBelows,Anvil"), "left"),
    ],
)
def test_a_tool_that_is_not_there_is_named_with_the_nearest(db: Database, file: File, field: str) -> None:
    [report, _] = bring_in(db, file, TOOLS)
    assert refused(report) == (3, field, "there is no tool 'Belows'; did you mean 'bellows'?")
    assert isinstance(report.error, UnknownReferenceError)


def test_files_that_wait_for_a_bad_one_are_told_what_is_missing(db: Database) -> None:
    bad = ("tools.json", '{"tools": [{"name": "Anvil"}')
    files = [(name, str(content).encode()) for name, content in (("v.csv", "tool,voter,verdict\nAnvil,v,ship"), bad)]
    reports = import_files(db, files, now=NOW, zone=BERLIN)
    assert [refused(report)[2] for report in reports] == [
        "there is no tool 'Anvil'",
        "is not JSON: Expecting ',' delimiter (column 29)",
    ]


def test_progress_is_told_of_everything_that_was_looked_at(db: Database) -> None:
    told: list[int] = []
    rows = "\n".join(f"Tool {chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(350))
    import_files(db, [("t.csv", f"name\n{rows}".encode())], now=NOW, zone=BERLIN, progress=told.append)
    assert sum(told) == 300, "in steps of a hundred"


def test_a_panel_member_in_small_letters_takes_the_place_of_the_panel(db: Database) -> None:
    reviews = ("r.csv", "tool,reviewer,quote\nAnvil,critic,Hm.\nAnvil,founder,No.\nAnvil,builder,Yes.")
    bring_in(db, TOOLS, reviews)
    rows = db.execute("SELECT name FROM reviewers ORDER BY position").fetchall()
    assert rows == [("builder",), ("founder",), ("critic",)]


def test_two_pairs_whose_slugs_would_be_one_stay_two(db: Database) -> None:
    document = (
        '{"tools": [{"name": "a"}, {"name": "b vs c"}, {"name": "a vs b"}, {"name": "c"}],'
        ' "comparisons": [{"left": "a", "right": "b vs c"}, {"left": "a vs b", "right": "c"}]}'
    )
    bring_in(db, ("x.json", document))
    (again,) = bring_in(db, ("x.json", document))
    assert again.count("unchanged")["comparisons"] == 2
    assert db["comparisons"].count == 2


def test_a_named_format_is_that_of_all_files(db: Database) -> None:
    files = [("one", b'{"type": "tool", "name": "a"}'), ("two.txt", b'{"type": "tool", "name": "b"}')]
    reports = import_files(db, files, now=NOW, zone=BERLIN, format="jsonl")
    assert [change[1] for change in changed(*reports)] == ["a", "b"]


def test_a_dry_run_reports_the_same_and_changes_nothing(db: Database) -> None:
    bring_in(db, TOOLS)
    before = everything(db)
    update = ("update.csv", "name,entry\nANVIL,free\nChisel,paid\n")
    bad = ("bad.csv", "left,right\nAnvil,Drill\n")
    rehearsed = bring_in(db, versus(), bad, reviews_by("Ann"), update, dry_run=True)
    assert everything(db) == before
    done = bring_in(db, versus(), bad, reviews_by("Ann"), update)
    assert [(r.file, r.changes, r.notes, str(r.error)) for r in rehearsed] == [
        (r.file, r.changes, r.notes, str(r.error)) for r in done
    ]
    assert everything(db) != before


# Pages --------------------------------------------------------------------------------------------------------

PAGE = """
Anvil vs Bellows
Tools
Anvil
Stays put
75%
Panel ship
—
Community
Paid
Entry
Heavy.
Tools
Bellows
—
Panel ship
41%
Community
Free
Entry
Reviewer scorecard
"Solid."
"Windy."
"Immovable."
"Leaks."
"""


def test_a_page_does_not_erase_what_other_files_know_better(db: Database) -> None:
    reviews = [
        {"reviewer": "Builder", "verdict": "ship", "quote": "Very solid."},
        {"reviewer": "Skeptic", "verdict": "skip", "quote": "Immovable."},
    ]
    tool = {"name": "ANVIL", "url": "https://anvil.example", "community": 12, "reviews": reviews}
    bring_in(db, ("a.json", {"tools": [tool]}), versus(published_at="-9d"))
    [report] = bring_in(db, ("page.txt", PAGE), now=LATER)
    assert ("review", "Builder on ANVIL", "updated", ("quote",)) in changed(report)
    found = db.conn.execute("SELECT verdict, quote FROM reviews WHERE tool = 1 ORDER BY reviewer").fetchall()
    assert found == [("ship", "Solid."), ("skip", "Immovable.")]
    assert one(db, "SELECT url, community, panel_ship FROM tools WHERE id = 1") == ("https://anvil.example", 12, 75)


def test_null_takes_a_verdict_back(db: Database) -> None:
    review = {"tool": "Anvil", "reviewer": "Ann", "verdict": "ship", "quote": "Solid."}
    bring_in(db, TOOLS, ("r.json", {"reviews": [review]}))
    [report] = bring_in(db, ("r.json", {"reviews": [{**review, "verdict": None}]}))
    assert changed(report) == [("review", "Ann on Anvil", "updated", ("verdict",))]


def test_a_page_comes_in_whole_and_again_changes_nothing(db: Database) -> None:
    [report] = bring_in(db, ("page.txt", PAGE))
    assert report.count("added") == {"reviewers": 2, "tools": 2, "reviews": 4, "comparisons": 1}
    before = everything(db)
    [report] = bring_in(db, ("page.txt", PAGE), now=LATER)
    assert report.count("unchanged") == {"tools": 2, "reviews": 4, "comparisons": 1}
    assert everything(db) == before


# Gathering ----------------------------------------------------------------------------------------------------


def no_input() -> bytes:
    raise AssertionError("standard input was read")


def test_a_folder_gives_its_catalogue_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.JSON", "c.ndjson", "d.txt", "e.jsonl", "notes.md", ".hidden"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.json").mkdir()
    found = gather([str(tmp_path)], no_input)
    assert [Path(name).name for name, _ in found] == ["a.JSON", "b.csv", "c.ndjson", "d.txt", "e.jsonl"]
    assert found[0] == (str(tmp_path / "a.JSON"), b"a.JSON")


def test_files_come_in_the_order_given_and_a_dash_is_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "tools.anything"
    file.write_bytes(b"one")
    assert gather([str(file), "-"], lambda: b"two") == [(str(file), b"one"), ("standard input", b"two")]


def test_what_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    missing = str(tmp_path / "tools.json")
    with pytest.raises(InputError) as caught:
        gather([missing], no_input)
    assert str(caught.value) == f"{missing}: cannot be read: No such file or directory"


def test_a_folder_without_catalogue_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(InputError, match=r"has no file that ends in \.json, \.jsonl, \.ndjson, \.csv, \.txt"):
        gather([str(tmp_path)], no_input)


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # root, as in a container, may read every folder
    with pytest.raises(InputError) as caught:
        gather([str(tmp_path)], no_input)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("file", "line", "field"),
    [
        (("x.csv", "name,entry\nAnvil,free\nanvil,paid"), 3, "entry"),
        (("x.csv", "tool,reviewer,verdict,quote\nAnvil,Ann,ship,Good.\nAnvil,Ann,skip,Good."), 3, "verdict"),
        (("x.csv", "tool,voter,verdict\nAnvil,v1,ship\nAnvil,v1,skip"), 3, "verdict"),
        (("x.csv", "left,right,published_at\nAnvil,Bellows,2026-11-01\nAnvil,Bellows,2026-11-02"), 3, "published_at"),
        (("x.csv", "name,stance\nAnn,Kind.\nann,Stern."), 3, "stance"),
    ],
)
def test_a_file_that_says_two_things_of_one_is_refused(db: Database, file: File, line: int, field: str) -> None:
    bring_in(db, TOOLS)
    [report] = bring_in(db, file)
    found = refused(report)
    assert found[:2] == (line, field)
    assert found[2].startswith("line 2 says ")


def test_a_file_may_say_one_thing_twice_and_in_parts(db: Database) -> None:
    text = "name,entry,tagline\nAnvil,free,\nanvil,free,Stays put\nAnvil,,"
    [report] = bring_in(db, ("x.csv", text))
    assert report.error is None
    [again] = bring_in(db, ("x.csv", text))
    assert again.count("updated") == {}
