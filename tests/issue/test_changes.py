"""Several people change one draft: nothing typed is lost, everybody's own can be undone, and the rest stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.catalogue.importing import import_files
from digest.editors import audit, people, sessions
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import arrangement, arranging, changes, editing, issues, presence
from digest.issue.changes import ConflictError, Written
from digest.issue.compose import words_for
from digest.issue.edits import LONGEST, QUICK, edits_of
from digest.issue.history import history
from digest.issue.merging import changes_between, merge_words
from digest.issue.set_aside import asides
from digest.issue.together import stamp_of, together
from digest.issue.words import NoDraftError, read_field
from digest.settings import Settings

LATER = timedelta(minutes=5)


@pytest.fixture
def db(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 drafted."""
    issues.draft(sample, settings, now=NOW)
    return sample


@pytest.fixture
def ann(db: Database) -> By:
    return editor(db, "Ann")


@pytest.fixture
def bea(db: Database) -> By:
    return editor(db, "Bea")


def editor(db: Database, name: str) -> By:
    found = people.add(db, f"{name.lower()}@example.com", name=name, role="editor", by=COMMAND_LINE, now=NOW)
    return By(found.id, found.name)


def text(db: Database, field: str) -> str:
    found: str = getattr(issues.load_draft(db, 1), field)
    return found


def write(
    db: Database, by: By, text_: str, *, base: str | None = None, field: str = "intro", after: timedelta = LATER
) -> Written:
    base = text(db, field) if base is None else base
    return changes.write(db, 1, read_field(field), text_, base=base, by=by, now=NOW + after)


def slugs(db: Database) -> list[str]:
    """The slugs of what is shown, in order."""
    return [item.comparison.slug for item in issues.load_draft(db, 1).placed if item.form != "out"]


def forms(db: Database) -> dict[str, str]:
    return {item.comparison.slug: item.form for item in issues.load_draft(db, 1).placed}


def state_of(db: Database) -> object:
    """All that editing can change."""
    row = db.conn.execute("SELECT subject, preheader, intro, own_words FROM issues WHERE number = 1").fetchone()
    return row, arrangement.arrangement_of(db.conn, 1)


# Words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["subject", "preheader", "intro"])
def test_what_somebody_types_is_theirs_and_stays(db: Database, ann: By, settings: Settings, field: str) -> None:
    written = write(db, ann, "My own words", field=field)
    assert (written.text, written.own, written.merged) == ("My own words", True, False)
    arranging.move(db, 1, slugs(db)[4], 0, by=ann, now=NOW)
    assert text(db, field) == "My own words"
    assert issues.own_words(db, 1) == [field]


def test_what_nobody_wrote_follows_the_comparisons(db: Database, ann: By) -> None:
    arranging.move(db, 1, slugs(db)[4], 0, by=ann, now=NOW)
    draft = issues.load_draft(db, 1)
    assert {"subject": draft.subject, "preheader": draft.preheader, "intro": draft.intro} == words_for(draft.placed)
    assert issues.find_issue(db, 1).subject == draft.subject


def test_a_subject_and_a_preheader_are_one_line(db: Database, ann: By) -> None:
    assert write(db, ann, " One\r\n line ", field="subject").text == "One line"
    assert write(db, ann, "One\tline\n", field="preheader").text == "One line"
    assert write(db, ann, "Two\r\nlines ").text == "Two\nlines "


def test_an_emptied_subject_is_digests_again_and_an_emptied_intro_stays_empty(db: Database, ann: By) -> None:
    before = text(db, "subject")
    write(db, ann, "Mine", field="subject")
    written = write(db, ann, "", field="subject")
    assert (written.text, written.own) == (before, False)
    # The page may know the field empty, as it left it, or as digest wrote it.
    assert write(db, ann, "N", base="", field="subject").text == "N"
    assert write(db, ann, "").own
    assert write(db, ann, "", field="preheader").own
    assert (text(db, "intro"), text(db, "preheader")) == ("", "")


@pytest.mark.parametrize(("field", "longest"), [("subject", 300), ("preheader", 300), ("intro", 20_000)])
def test_words_that_are_too_long_are_refused(db: Database, ann: By, field: str, longest: int) -> None:
    write(db, ann, "x" * longest, field=field)
    with pytest.raises(InputError, match=f"{field}: it has"):
        write(db, ann, "y" * (longest + 1), field=field)
    assert text(db, field) == "x" * longest


def test_there_are_three_fields_of_words(db: Database) -> None:
    with pytest.raises(InputError, match="'state' is not one of subject, preheader, intro"):
        read_field("state")


def test_the_same_words_again_change_nothing(db: Database, ann: By) -> None:
    write(db, ann, "Mine")
    before = state_of(db), stamp_of(db, 1)
    assert write(db, ann, "Mine").text == "Mine"
    assert write(db, ann, "Mine", base="Something else").text == "Mine"
    assert (state_of(db), stamp_of(db, 1)) == before


def test_words_given_back_are_composed_anew(db: Database, ann: By) -> None:
    before = text(db, "intro")
    write(db, ann, "Mine")
    written = changes.give_back(db, 1, "intro", by=ann, now=NOW + LATER)
    assert (written.text, written.own) == (before, False)
    assert changes.give_back(db, 1, "intro", by=ann, now=NOW + LATER) == written


def test_words_nobody_wrote_do_not_stand_against_typed_ones(db: Database, ann: By, bea: By) -> None:
    seen = text(db, "subject")
    arranging.move(db, 1, slugs(db)[3], 0, by=bea, now=NOW)
    assert text(db, "subject") != seen
    written = write(db, ann, "My own subject", base=seen, field="subject")
    assert (written.text, written.own) == ("My own subject", True)


# Two at once ---------------------------------------------------------------------------------------------------------


def test_two_fields_are_two_matters(db: Database, ann: By, bea: By) -> None:
    subject, intro = text(db, "subject"), text(db, "intro")
    write(db, ann, "Ann’s subject", base=subject, field="subject")
    write(db, bea, "Bea’s intro", base=intro)
    assert (text(db, "subject"), text(db, "intro")) == ("Ann’s subject", "Bea’s intro")


def test_two_paragraphs_are_merged(db: Database, ann: By, bea: By) -> None:
    write(db, ann, "One first.\n\nTwo second.")
    seen = text(db, "intro")
    write(db, ann, "One first, by Ann.\n\nTwo second.", base=seen)
    written = write(db, bea, "One first.\n\nTwo second, by Bea.", base=seen)
    assert (written.text, written.merged) == ("One first, by Ann.\n\nTwo second, by Bea.", True)
    assert text(db, "intro") == written.text


def test_the_same_words_are_a_conflict_and_the_later_ones_are_set_aside(db: Database, ann: By, bea: By) -> None:
    write(db, ann, "The word.")
    seen = text(db, "intro")
    write(db, ann, "The first word.", base=seen)
    with pytest.raises(ConflictError, match="Ann changed the same words of the introduction") as met:
        write(db, bea, "The last word.", base=seen)
    (kept,) = asides(db.conn, 1)
    assert (kept.by, kept.field, kept.words) == ("Bea", "intro", "The last word.")
    assert met.value.more_json["theirs"] == "The first word."
    assert (met.value.more_json["by"], met.value.more_json["aside"]) == ("Ann", kept.id)
    assert text(db, "intro") == "The first word."


def test_who_types_on_in_a_conflict_has_one_text_set_aside(db: Database, ann: By, bea: By) -> None:
    write(db, ann, "The word.")
    write(db, ann, "The first word.", base="The word.")
    for typed in ("The la word.", "The last word.", "The last word. Yes", "The last word."):
        with pytest.raises(ConflictError):
            write(db, bea, typed, base="The word.")
    assert [aside.words for aside in asides(db.conn, 1)] == ["The last word. Yes"]
    with pytest.raises(ConflictError):
        write(db, bea, "Something else.", base="The word.")
    assert [aside.words for aside in asides(db.conn, 1)] == ["The last word. Yes", "Something else."]


def test_what_was_set_aside_is_used_or_dropped_once(db: Database, ann: By, bea: By) -> None:
    write(db, ann, "Ann")
    for words in ("Bea 1", "2 by Bea"):
        with pytest.raises(ConflictError):
            write(db, bea, words, base="Nothing")
    one, two = asides(db.conn, 1)
    changes.use_aside(db, 1, one.id, by=bea, now=NOW + 2 * LATER)
    changes.drop_aside(db, 1, two.id, now=NOW + 2 * LATER)
    assert (text(db, "intro"), asides(db.conn, 1)) == ("Bea 1", [])
    with pytest.raises(StateError, match="used or thrown away these words already"):
        changes.use_aside(db, 1, one.id, by=bea, now=NOW)
    with pytest.raises(NotFoundError):
        changes.drop_aside(db, 1, 99, now=NOW)
    changes.undo(db, 1, by=bea, now=NOW + 2 * LATER)
    assert text(db, "intro") == "Ann"


def test_a_merge_that_would_be_too_long_is_a_conflict(db: Database, ann: By, bea: By) -> None:
    write(db, ann, "a b", field="subject")
    write(db, ann, "a" * 200 + " b", base="a b", field="subject")
    with pytest.raises(ConflictError):
        write(db, bea, "a " + "b" * 200, base="a b", field="subject")


@pytest.mark.parametrize(
    ("base", "theirs", "mine", "merged"),
    [
        ("a b c", "a X b c", "a b c Y", "a X b c Y"),
        ("a b c", "a X c", "a Y c", None),
        ("a b c", "a c", "a b Y c", None),
        ("a\n\nb", "a\n\nnew\n\nb", "a\n\nb2", "a\n\nnew\n\nb2"),
        ("a\n\nb", "a2\n\nb", "a\n\nnew\n\nb", "a2\n\nnew\n\nb"),
        ("a. b.", "a. b. c.", "a. b. d.", None),
        ("a b", "a b", "c", "c"),
        ("a b", "c", "a b", "c"),
        ("", "a", "b", None),
    ],
)
def test_words_are_merged_where_both_can_be_had(base: str, theirs: str, mine: str, merged: str | None) -> None:
    assert merge_words(base, theirs, mine) == merged


def test_merging_takes_no_long_time_whatever_the_words_are() -> None:
    from time import perf_counter

    base = "a " * 10_000
    began = perf_counter()
    assert merge_words(base, "b " + base.replace("a a", "a c"), base.replace("a a", "d a") + "e") is None
    assert perf_counter() - began < 1


def test_texts_are_told_apart() -> None:
    parts = changes_between("one two three", "one 2 three four")
    assert "".join(words for kind, words in parts if kind != "new") == "one two three"
    assert "".join(words for kind, words in parts if kind != "gone") == "one 2 three four"


# Comparisons ---------------------------------------------------------------------------------------------------------


def test_moving_one_keeps_the_forms_of_the_places(db: Database, ann: By) -> None:
    before = slugs(db)
    was = [forms(db)[slug] for slug in before]
    arranging.move(db, 1, before[4], 0, by=ann, now=NOW)
    assert slugs(db) == [before[4], *before[:4], *before[5:]]
    assert [forms(db)[slug] for slug in slugs(db)] == was
    arranging.move(db, 1, before[4], 1000, by=ann, now=NOW)
    assert slugs(db)[-1] == before[4]


def test_a_form_that_was_chosen_goes_with_its_comparison(db: Database, ann: By, settings: Settings) -> None:
    before = slugs(db)
    arranging.set_form(db, 1, before[2], "full", by=ann, now=NOW)
    arranging.set_form(db, 1, before[3], "link", by=ann, now=NOW)
    assert {slug: form for slug, form in forms(db).items() if form == "full"} == {before[0]: "full", before[2]: "full"}
    arranging.move(db, 1, before[5], 0, by=ann, now=NOW)
    arranging.move(db, 1, before[3], 1, by=ann, now=NOW)
    assert (forms(db)[before[2]], forms(db)[before[3]]) == ("full", "link")
    editing.edit(db, 1, now=NOW, lead=before[6], settings=settings)
    assert (forms(db)[before[2]], forms(db)[before[3]]) == ("full", "link")
    assert forms(db)[before[6]] == "full"
    issues.freeze(db, settings, 1, now=NOW)
    editing.edit(db, 1, now=NOW, settings=settings)
    arranging.move(db, 1, before[7], 0, by=ann, now=NOW)
    assert (forms(db)[before[2]], forms(db)[before[3]]) == ("full", "link")


def test_what_is_left_out_comes_back_last_or_where_it_is_put(db: Database, ann: By) -> None:
    before = slugs(db)
    arranging.set_form(db, 1, before[0], "out", by=ann, now=NOW)
    assert slugs(db) == before[1:]
    assert forms(db)[before[1]] == "full"
    arranging.set_form(db, 1, before[0], "brief", by=ann, now=NOW)
    assert slugs(db) == [*before[1:], before[0]]
    arranging.set_form(db, 1, before[5], "out", by=ann, now=NOW)
    arranging.move(db, 1, before[5], 0, by=ann, now=NOW)
    assert slugs(db)[0] == before[5]
    assert forms(db)[before[5]] == "full"


def test_one_at_least_stays_in(db: Database, ann: By) -> None:
    *others, last = slugs(db)
    for slug in others:
        arranging.set_form(db, 1, slug, "out", by=ann, now=NOW)
    with pytest.raises(StateError, match="nothing would be left"):
        arranging.set_form(db, 1, last, "out", by=ann, now=NOW)
    assert slugs(db) == [last]


@pytest.mark.parametrize("form", ["more", "", "FULL"])
def test_only_forms_that_can_be_chosen_are_taken(db: Database, ann: By, form: str) -> None:
    with pytest.raises(InputError, match="is not one of full, brief, link, out"):
        arranging.set_form(db, 1, slugs(db)[0], form, by=ann, now=NOW)


def test_a_comparison_that_is_not_in_the_issue_is_told(db: Database, ann: By) -> None:
    with pytest.raises(InputError, match="has no comparison 'nothing'"):
        arranging.move(db, 1, "nothing", 0, by=ann, now=NOW)
    with pytest.raises(InputError, match="has no comparison 'nothing'"):
        arranging.set_form(db, 1, "nothing", "out", by=ann, now=NOW)


def publish(db: Database, name: str, at: str = "2026-11-20") -> str:
    document = {
        "tools": [{"name": f"{name} left"}, {"name": f"{name} right"}],
        "comparisons": [{"left": f"{name} left", "right": f"{name} right", "slug": name, "published_at": at}],
    }
    (report,) = import_files(db, [("x.json", json.dumps(document).encode())], now=NOW, zone=Settings().zone)
    assert report.error is None, report.error
    return name


def test_one_that_is_not_in_the_issue_is_added_once(db: Database, ann: By, settings: Settings) -> None:
    older, tomorrow = publish(db, "older"), publish(db, "tomorrow", "2026-12-24")
    added = arranging.add(db, settings, 1, older, by=ann, now=NOW)
    assert (added.slug, added.mailed) == (older, None)
    assert (slugs(db)[-1], forms(db)[older]) == (older, "link")
    with pytest.raises(StateError, match="is in it already"):
        arranging.add(db, settings, 1, older, by=ann, now=NOW)
    arranging.set_form(db, 1, older, "out", by=ann, now=NOW)
    with pytest.raises(StateError, match="left out of this issue"):
        arranging.add(db, settings, 1, older, by=ann, now=NOW)
    with pytest.raises(NotFoundError):
        arranging.add(db, settings, 1, tomorrow, by=ann, now=NOW)
    with pytest.raises(NotFoundError):
        arranging.add(db, settings, 1, "nothing", by=ann, now=NOW)


def test_one_that_went_out_before_says_when_and_is_marked_if_it_changed(
    db: Database, ann: By, settings: Settings
) -> None:
    one, two = slugs(db)[:2]
    issues.freeze(db, settings, 1, now=NOW)
    db.execute("UPDATE issues SET state = 'sent', sending_at = approved_at, sent_at = approved_at")
    publish(db, "next")
    issues.draft(db, settings, now=NOW)
    tool = issues.load_draft(db, 1).placed[1].comparison.left
    db.execute("UPDATE reviews SET verdict = 'skip' WHERE tool = (SELECT id FROM tools WHERE slug = ?)", [tool.slug])
    for slug in (one, two):
        added = arranging.add(db, settings, 2, slug, by=ann, now=NOW)
        assert added.mailed is not None
        assert added.mailed.number == 1
    updated = {item.comparison.slug: item.updated for item in issues.load_draft(db, 2).placed}
    assert (updated[one], updated[two]) == (False, True)


def test_what_came_in_since_is_taken_in_and_can_be_undone(db: Database, ann: By, settings: Settings) -> None:
    before = state_of(db)
    assert arranging.take_in(db, settings, 1, by=ann, now=NOW) == []
    came = {publish(db, "late"), publish(db, "later")}
    later = NOW + timedelta(hours=2)
    assert set(arranging.take_in(db, settings, 1, by=ann, now=later)) == came
    assert set(slugs(db)[-2:]) == came
    assert issues.find_issue(db, 1).cutoff == later
    assert "32 new pairs" in text(db, "intro")
    changes.undo(db, 1, by=ann, now=later)
    assert state_of(db) == before


# Undoing -------------------------------------------------------------------------------------------------------------


def test_each_change_is_undone_and_done_again(db: Database, ann: By, settings: Settings) -> None:
    states = [state_of(db)]
    acts: list[Callable[[], object]] = [
        lambda: write(db, ann, "Mine", field="subject"),
        lambda: write(db, ann, "Mine, once more", field="subject", after=2 * LATER),
        lambda: arranging.move(db, 1, slugs(db)[3], 0, by=ann, now=NOW),
        lambda: arranging.set_form(db, 1, slugs(db)[2], "out", by=ann, now=NOW),
        lambda: changes.give_back(db, 1, "subject", by=ann, now=NOW),
        lambda: arranging.add(db, settings, 1, publish(db, "older"), by=ann, now=NOW),
    ]
    for act in acts:
        act()
        states.append(state_of(db))
    for _ in range(2):
        for state in states[-2::-1]:
            changes.undo(db, 1, by=ann, now=NOW)
            assert state_of(db) == state
        with pytest.raises(StateError, match="nothing of yours to undo"):
            changes.undo(db, 1, by=ann, now=NOW)
        for state in states[1:]:
            changes.redo(db, 1, by=ann, now=NOW)
            assert state_of(db) == state
        with pytest.raises(StateError, match="nothing of yours to do again"):
            changes.redo(db, 1, by=ann, now=NOW)


def test_what_is_done_after_an_undo_cannot_be_redone_over(db: Database, ann: By) -> None:
    write(db, ann, "One")
    changes.undo(db, 1, by=ann, now=NOW + LATER)
    write(db, ann, "Two", after=2 * LATER)
    with pytest.raises(StateError, match="nothing of yours to do again"):
        changes.redo(db, 1, by=ann, now=NOW)
    assert text(db, "intro") == "Two"


def test_ones_own_is_undone_after_anothers(db: Database, ann: By, bea: By) -> None:
    before = text(db, "subject")
    write(db, ann, "Ann’s subject", field="subject")
    write(db, ann, "One.\n\nTwo.", after=2 * LATER)
    write(db, ann, "One by Ann.\n\nTwo.", after=3 * LATER)
    write(db, bea, "One by Ann.\n\nTwo by Bea.", after=3 * LATER)
    changes.undo(db, 1, by=ann, now=NOW + 4 * LATER)
    assert text(db, "intro") == "One.\n\nTwo by Bea."
    changes.redo(db, 1, by=ann, now=NOW + 4 * LATER)
    assert text(db, "intro") == "One by Ann.\n\nTwo by Bea."
    changes.undo(db, 1, by=bea, now=NOW + 4 * LATER)
    assert text(db, "intro") == "One by Ann.\n\nTwo."
    assert text(db, "subject") == "Ann’s subject"
    for _ in range(3):
        changes.undo(db, 1, by=ann, now=NOW + 4 * LATER)
    assert text(db, "subject") == before


def test_an_undo_that_would_take_anothers_words_is_refused_with_their_name(db: Database, ann: By, bea: By) -> None:
    write(db, ann, "Ann")
    write(db, bea, "Bea")
    with pytest.raises(StateError, match="Bea changed the introduction since"):
        changes.undo(db, 1, by=ann, now=NOW + LATER)
    assert text(db, "intro") == "Bea"
    changes.undo(db, 1, by=bea, now=NOW + LATER)
    changes.undo(db, 1, by=ann, now=NOW + LATER)
    assert issues.own_words(db, 1) == []


def test_anothers_move_stays_where_ones_own_is_undone(db: Database, ann: By, bea: By) -> None:
    before = slugs(db)
    arranging.move(db, 1, before[2], 1, by=ann, now=NOW)
    arranging.move(db, 1, before[20], 15, by=bea, now=NOW)
    changes.undo(db, 1, by=ann, now=NOW)
    assert slugs(db)[:4] == before[:4]
    assert slugs(db)[15] == before[20]
    changes.undo(db, 1, by=bea, now=NOW)
    assert slugs(db) == before


def test_a_move_over_anothers_is_not_undone(db: Database, ann: By, bea: By) -> None:
    before = slugs(db)
    arranging.move(db, 1, before[3], 0, by=ann, now=NOW)
    arranging.move(db, 1, before[3], 7, by=bea, now=NOW)
    with pytest.raises(StateError, match="Bea changed the comparisons since"):
        changes.undo(db, 1, by=ann, now=NOW)


def test_what_the_catalogue_lost_meanwhile_is_not_brought_back(db: Database, ann: By, settings: Settings) -> None:
    arranging.add(db, settings, 1, publish(db, "older"), by=ann, now=NOW)
    changes.undo(db, 1, by=ann, now=NOW)
    db.execute("DELETE FROM comparisons WHERE slug = 'older'")
    with pytest.raises(StateError, match="not in the catalogue any more"):
        changes.redo(db, 1, by=ann, now=NOW)


def test_who_has_no_account_has_nothing_to_undo(db: Database, settings: Settings) -> None:
    editing.edit(db, 1, now=NOW, subject="By hand", settings=settings)
    with pytest.raises(StateError, match="nothing of yours"):
        changes.undo(db, 1, by=COMMAND_LINE, now=NOW)


# The rows ------------------------------------------------------------------------------------------------------------


def typed(db: Database, by: By, *texts: str, every: timedelta = timedelta(seconds=1), field: str = "intro") -> None:
    for place, text_ in enumerate(texts):
        write(db, by, text_, field=field, after=LATER + place * every)


def rows(db: Database) -> list[tuple[str, object, object]]:
    return [(edit.field, edit.before, edit.after) for edit in reversed(edits_of(db.conn, 1, limit=100))]


def test_keys_in_quick_succession_are_one_edit(db: Database, ann: By) -> None:
    typed(db, ann, "a", "ab", "abc")
    assert rows(db) == [("intro", None, "abc")]
    (edit,) = edits_of(db.conn, 1, limit=9)
    assert edit.at > edit.began_at
    assert edit.version == issues_version(db)


def issues_version(db: Database) -> int:
    return int(db.conn.execute("SELECT version FROM issues").fetchone()[0])


def test_a_pause_begins_a_new_edit_and_so_does_a_minute(db: Database, ann: By) -> None:
    typed(db, ann, "a", "ab", every=QUICK + timedelta(seconds=1))
    assert len(rows(db)) == 2
    steps = int(LONGEST / timedelta(seconds=5)) + 2
    typed(db, ann, *("x" * size for size in range(1, steps + 1)), every=timedelta(seconds=5), field="subject")
    assert [field for field, *_ in rows(db)].count("subject") == 2


def test_anothers_key_or_another_field_begins_a_new_edit(db: Database, ann: By, bea: By) -> None:
    typed(db, ann, "a b")
    typed(db, bea, "a b c")
    typed(db, ann, "a b c d")
    assert len(rows(db)) == 3
    typed(db, ann, "One", field="subject")
    typed(db, ann, "a b c d e")
    assert len(rows(db)) == 5


def test_what_is_taken_away_at_once_can_be_had_back_alone(db: Database, ann: By) -> None:
    sentence = "A sentence that took a while to write."
    typed(db, ann, *(sentence[:size] for size in range(1, len(sentence) + 1)), every=timedelta(milliseconds=100))
    write(db, ann, "", after=LATER + timedelta(seconds=5))
    assert rows(db) == [("intro", None, sentence), ("intro", sentence, "")]


def test_what_is_typed_and_taken_back_leaves_no_edit(db: Database, ann: By) -> None:
    typed(db, ann, "abc")
    write(db, ann, "abcd", after=2 * LATER)
    write(db, ann, "abc", after=2 * LATER)
    assert rows(db) == [("intro", None, "abc")]


def test_one_that_is_moved_step_by_step_is_one_edit(db: Database, ann: By) -> None:
    before = slugs(db)
    for place in (5, 4, 3, 2):
        arranging.move(db, 1, before[6], place, by=ann, now=NOW)
    arranging.move(db, 1, before[8], 7, by=ann, now=NOW)
    assert len(rows(db)) == 2
    changes.undo(db, 1, by=ann, now=NOW)
    changes.undo(db, 1, by=ann, now=NOW)
    assert slugs(db) == before


def test_the_command_line_is_in_the_history_too(db: Database, ann: By, settings: Settings) -> None:
    editing.edit(db, 1, now=NOW, subject="By hand", lead=slugs(db)[2], settings=settings)
    assert {field for field, *_ in rows(db)} == {"subject", "comparisons"}
    write(db, ann, "Ann’s", field="intro")
    issues.draft(db, settings, now=NOW, refresh=True)
    assert rows(db)[-1][0] == "comparisons"
    assert ("intro", "Ann’s", None) in rows(db)
    with pytest.raises(StateError, match="the command line changed the introduction since"):
        changes.undo(db, 1, by=ann, now=NOW + LATER)


def test_the_audit_says_once_that_somebody_edits(db: Database, ann: By, bea: By) -> None:
    typed(db, ann, "a", "ab", "abc", every=timedelta(minutes=1))
    typed(db, bea, "abc d")
    write(db, ann, "Much later", field="subject", after=timedelta(hours=1))
    assert [done.who for done in audit.done(db, limit=9, what="issue 1") if done.did == "edited"] == [
        "Ann",
        "Bea",
        "Ann",
    ]


def test_the_history_is_readable(db: Database, ann: By, bea: By, settings: Settings) -> None:
    one, two, three = slugs(db)[:3]
    write(db, ann, "My intro.")
    write(db, bea, "My own intro.", after=2 * LATER)
    arranging.move(db, 1, three, 0, by=ann, now=NOW)
    arranging.move(db, 1, one, 7, by=ann, now=NOW)
    arranging.set_form(db, 1, two, "link", by=ann, now=NOW)
    arranging.set_form(db, 1, two, "out", by=ann, now=NOW)
    arranging.set_form(db, 1, two, "full", by=ann, now=NOW)
    arranging.add(db, settings, 1, publish(db, "older"), by=ann, now=NOW)
    changes.undo(db, 1, by=ann, now=NOW)
    changes.give_back(db, 1, "intro", by=ann, now=NOW)
    titles = {item.comparison.slug: item.comparison.title for item in issues.load_draft(db, 1).placed}
    told = [(change.by, change.did) for change in reversed(history(db, 1, limit=99))]
    assert told == [
        ("Ann", "wrote the introduction"),
        ("Bea", "changed the introduction"),
        ("Ann", f"made {titles[three]} the lead"),
        ("Ann", f"moved {titles[one]} to place 8"),
        ("Ann", f"shows {titles[two]} as a link"),
        ("Ann", f"left out {titles[two]}"),
        ("Ann", f"brought back {titles[two]}"),
        ("Ann", "added older left vs older right"),
        ("Ann", "took back a change: took out older left vs older right"),
        ("Ann", "gave the introduction back to digest"),
    ]
    changed = history(db, 1, limit=99)[-2]
    assert changed.parts == (("same", "My "), ("new", "own "), ("same", "intro."))
    assert history(db, 1, limit=2, before=3)[0].number == 2
    assert [change.is_undone for change in history(db, 1, limit=3)] == [False, False, True]


# What is refused, and who is here ------------------------------------------------------------------------------------


def test_an_issue_that_is_no_draft_is_not_changed_and_what_was_typed_is_kept(
    db: Database, ann: By, settings: Settings
) -> None:
    issues.freeze(db, settings, 1, now=NOW)
    before, one = state_of(db), slugs(db)[1]
    for refused in (
        lambda: arranging.move(db, 1, one, 0, by=ann, now=NOW),
        lambda: arranging.set_form(db, 1, one, "out", by=ann, now=NOW),
        lambda: arranging.add(db, settings, 1, one, by=ann, now=NOW),
        lambda: arranging.take_in(db, settings, 1, by=ann, now=NOW),
        lambda: changes.give_back(db, 1, "intro", by=ann, now=NOW),
        lambda: changes.undo(db, 1, by=ann, now=NOW),
        lambda: changes.redo(db, 1, by=ann, now=NOW),
    ):
        with pytest.raises(NoDraftError, match="issue 1 is approved; take it back to draft first"):
            refused()
    with pytest.raises(NoDraftError, match="What you typed is kept") as met:
        write(db, ann, "Too late", base="Something")
    (kept,) = asides(db.conn, 1)
    assert met.value.more_json == {"state": "approved", "aside": kept.id}
    with pytest.raises(NoDraftError):
        changes.use_aside(db, 1, kept.id, by=ann, now=NOW)
    assert state_of(db) == before
    editing.edit(db, 1, now=NOW, settings=settings)
    changes.use_aside(db, 1, kept.id, by=ann, now=NOW)
    assert text(db, "intro") == "Too late"


def test_an_issue_that_is_not_there_is_told(db: Database, ann: By, settings: Settings) -> None:
    for refused in (
        lambda: changes.write(db, 9, "intro", "x", base="", by=ann, now=NOW),
        lambda: arranging.move(db, 9, "x", 0, by=ann, now=NOW),
        lambda: arranging.take_in(db, settings, 9, by=ann, now=NOW),
        lambda: changes.undo(db, 9, by=ann, now=NOW),
        lambda: presence.here(db, 9, 1, "page", "", now=NOW),
        lambda: together(db, 9, editor=1),
    ):
        with pytest.raises(NotFoundError, match="there is no issue 9"):
            refused()
    assert stamp_of(db, 9) is None


def test_who_is_here_is_who_said_so_just_now(db: Database, ann: By, bea: By) -> None:
    def session(by: By) -> int:
        assert by.editor is not None
        secret = sessions.begin(db, by.editor, way="link", browser="Tests", now=NOW)
        found = sessions.here(db, secret, now=NOW)
        assert found is not None
        return found.session

    hers, his = session(ann), session(bea)
    presence.here(db, 1, hers, "a", "", now=NOW)
    presence.here(db, 1, his, "b", "intro", now=NOW + timedelta(seconds=8))
    presence.here(db, 1, hers, "a", "subject", now=NOW + timedelta(seconds=9))

    def at(seconds: int) -> list[tuple[str, str]]:
        return [(one.name, one.field) for one in presence.who_is_here(db, 1, now=NOW + timedelta(seconds=seconds))]

    assert at(10) == [("Ann", "subject"), ("Bea", "intro")]
    assert at(23) == [("Ann", "subject")]
    assert at(24) == []
    presence.leave(db, 1, hers, "a")
    presence.here(db, 1, hers, "a", "subject", now=NOW + timedelta(seconds=9))  # said before, heard after
    assert at(10) == [("Bea", "intro")]
    assert bea.editor is not None
    sessions.end_others(db, hers, editor=bea.editor, by=bea, now=NOW)
    assert at(10) == []
    presence.here(db, 1, hers, "c", "", now=NOW + timedelta(hours=1))
    assert db.conn.execute("SELECT page FROM presence").fetchall() == [("c",)]
    for page, field in (("", ""), ("x" * 41, ""), ("a\nb", ""), ("a", "x" * 121)):
        with pytest.raises(InputError):
            presence.here(db, 1, hers, page, field, now=NOW)


def test_what_is_shown_together_changes_its_stamp_with_every_change(db: Database, ann: By, bea: By) -> None:
    assert ann.editor is not None
    stamps = [stamp_of(db, 1)]
    write(db, ann, "The word.")
    stamps.append(stamp_of(db, 1))
    with pytest.raises(ConflictError):
        write(db, bea, "Mine", base="Other")
    stamps.append(stamp_of(db, 1))
    with pytest.raises(ConflictError):
        write(db, bea, "Mine, longer", base="Other", after=2 * LATER)
    stamps.append(stamp_of(db, 1))
    db.execute("UPDATE tools SET name = name || '!'")
    stamps.append(stamp_of(db, 1))
    assert len(set(stamps)) == len(stamps)
    shown = together(db, 1, editor=ann.editor)
    assert (shown.state, sorted(shown.own)) == ("draft", ["intro"])
    assert (shown.can_undo, shown.can_redo) == (True, False)
    assert shown.last is not None
    assert (shown.last.by, shown.last.field) == ("Ann", "intro")
    assert shown.words["subject"] == text(db, "subject")
    assert [aside.words for aside in shown.asides] == ["Mine, longer"]
    assert bea.editor is not None
    assert not together(db, 1, editor=bea.editor).can_undo
