"""Variants: what readers of some topics get of an issue, and in which words."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOW, import_sample, memory_store
from digest.errors import NotFoundError
from digest.issue import editing, issues, snapshot
from digest.issue.by_topics import laid_out_for
from digest.issue.compose import LEAD_ALONE
from digest.issue.fit import LIMIT, weight
from digest.issue.model import Draft, Form
from digest.issue.render import render
from digest.issue.snapshot import Snapshot
from digest.issue.variant_records import Variant, check_variants, content_of, cuts_of, in_envelope, put
from digest.issue.variants import (
    BEYOND,
    NO_MAIL,
    WHOLE,
    Cut,
    allot,
    compose,
    cut_for,
    is_whole,
    render_cut,
    topics_in,
    topics_of,
)
from digest.settings import Settings
from digest.store import Database, writing

SETTINGS = Settings()
CODING = "developer-tools"


def approved() -> Database:
    db = memory_store()
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    return db


@pytest.fixture(scope="module")
def kept() -> Snapshot:
    found = issues.find_snapshot(approved(), 1)
    assert found is not None
    return found


def slugs(draft: Draft) -> list[str]:
    return [item.comparison.slug for item in draft.placed if item.form != "out"]


def forms(draft: Draft) -> list[str]:
    return [item.form for item in draft.placed]


# What approval keeps ---------------------------------------------------------------------------------------------


def test_a_snapshot_is_read_as_it_was_written(kept: Snapshot) -> None:
    assert snapshot.read(snapshot.write(kept)) == kept
    assert sorted(json.loads(snapshot.write(kept))) == ["draft", "own_words", "wanted"]


def test_what_another_digest_wrote_is_not_read() -> None:
    assert snapshot.read('{"draft": {"number": 1}}') is None


def test_approval_keeps_the_draft_as_it_was_rendered_whatever_becomes_of_the_catalogue() -> None:
    db = approved()
    db.execute("UPDATE tools SET name = 'Other ' || name, category = 'Other'")
    found, frozen = issues.snapshot_of(db, 1), issues.frozen(db, 1)
    assert found is not None
    assert frozen is not None
    assert render(found, SETTINGS).html == frozen.html
    assert issues.laid_out(db, SETTINGS, 1).draft == found


def test_an_edit_drops_what_was_kept(kept: Snapshot) -> None:
    db = approved()
    editing.edit(db, 1, now=NOW, subject="Mine", settings=SETTINGS)
    assert issues.snapshot_of(db, 1) is None
    issues.freeze(db, SETTINGS, 1, now=NOW)
    found = issues.find_snapshot(db, 1)
    assert found is not None
    assert (found.own_words, found.draft.subject, kept.own_words) == (("subject",), "Mine", ())


def test_the_forms_from_before_it_was_fitted_are_kept() -> None:
    db = memory_store()
    import_sample(db, SETTINGS)
    wide = SETTINGS.model_copy(update={"full_comparisons": 20})
    issues.draft(db, wide, now=NOW)
    issues.freeze(db, wide, 1, now=NOW)
    found = issues.find_snapshot(db, 1)
    assert found is not None
    assert found.wanted[:20] == ("full",) * 20
    assert "full" not in forms(found.draft)[1:]


# Which comparisons -----------------------------------------------------------------------------------------------


def test_a_comparison_belongs_to_the_topics_of_both_tools(kept: Snapshot) -> None:
    comparison = kept.draft.placed[0].comparison
    mixed = replace(comparison, right=replace(comparison.right, category="Agents & Automation"))
    assert topics_of(mixed) == {CODING, "agents-and-automation"}
    assert topics_of(replace(mixed, right=replace(mixed.right, category=None))) == {CODING}
    bare = replace(comparison, left=replace(comparison.left, category=""), right=replace(mixed.right, category=None))
    assert topics_of(bare) == frozenset()


@given(data=st.data())
def test_a_variant_has_exactly_what_is_on_its_topics_in_the_order_of_the_issue(
    kept: Snapshot, data: st.DataObject
) -> None:
    everything = sorted(topics_in(kept.draft))
    chosen = data.draw(st.sets(st.sampled_from([*everything, "another"])))
    cut = cut_for(kept.draft, chosen, off_topic="lead")
    expected = [
        item.comparison.slug
        for item in kept.draft.placed
        if any(topic in chosen for topic in topics_of(item.comparison))
    ]
    assert list(cut.comparisons) == (expected or slugs(kept.draft)[:1])
    assert list(cut.topics) == sorted(chosen & set(everything))
    assert slugs(compose(kept, cut)) == list(cut.comparisons)
    assert is_whole(kept.draft, cut) is (set(everything) <= chosen)


def test_nothing_on_the_topics_is_the_lead_alone_or_no_mail(kept: Snapshot) -> None:
    assert cut_for(kept.draft, ["gardening"], off_topic="lead") == Cut((), (slugs(kept.draft)[0],))
    assert cut_for(kept.draft, ["gardening"], off_topic="none") == Cut((), ())


def test_what_was_left_out_stays_out() -> None:
    db = memory_store()
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    out = slugs(issues.load_draft(db, 1))[0]
    editing.edit(db, 1, now=NOW, out=[out], settings=SETTINGS)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    found = issues.find_snapshot(db, 1)
    assert found is not None
    cut = cut_for(found.draft, [CODING], off_topic="lead")
    assert out not in cut.comparisons
    assert len(cut.comparisons) > 1
    assert forms(compose(found, cut))[0] == "full"


# In which forms and words ----------------------------------------------------------------------------------------


def test_the_first_is_shown_in_full_and_the_next_in_brief(kept: Snapshot) -> None:
    several = cut_for(kept.draft, [CODING, "running-models", "voice-and-audio"], off_topic="lead")
    found = forms(compose(kept, several))
    assert found[0] == "full"
    assert set(found[1:9]) == {"brief"}
    assert set(found[9:]) <= {"link"}
    # Voice & Audio stands at the end of the issue, as links.
    assert forms(compose(kept, cut_for(kept.draft, ["voice-and-audio"], off_topic="lead")))[:2] == ["full", "brief"]


def test_a_variant_that_would_weigh_too_much_is_made_smaller(kept: Snapshot) -> None:
    full: Form = "full"
    heavy = replace(kept, wanted=(full,) * len(kept.wanted))
    cut = cut_for(kept.draft, [CODING, "running-models", "writing-and-research"], off_topic="lead")
    assert weight(render(compose(heavy, cut), SETTINGS)) > LIMIT
    fitted = render_cut(heavy, cut, SETTINGS)
    assert weight(fitted.content) <= LIMIT
    assert fitted.moved
    assert slugs(fitted.draft) == list(cut.comparisons)


def test_its_words_are_its_own_but_for_those_a_person_wrote(kept: Snapshot) -> None:
    cut = cut_for(kept.draft, ["voice-and-audio"], off_topic="lead")
    found = compose(kept, cut)
    assert found.subject.startswith("Whisper vs Descript, and ")
    assert "Whisper" in found.preheader
    assert found.intro.startswith("Three new pairs")
    mine = replace(kept, own_words=("subject", "intro"), draft=replace(kept.draft, subject="Mine", intro="My words"))
    own = compose(mine, cut)
    assert (own.subject, own.intro, own.preheader) == ("Mine", "My words", found.preheader)


def test_who_gets_the_lead_for_want_of_anything_else_is_told_so(kept: Snapshot) -> None:
    cut = cut_for(kept.draft, ["gardening"], off_topic="lead")
    assert compose(kept, cut).intro == LEAD_ALONE
    assert compose(replace(kept, own_words=("intro",)), cut).intro == kept.draft.intro


# Who gets which --------------------------------------------------------------------------------------------------


def test_sets_that_come_to_the_same_share_a_variant(kept: Snapshot) -> None:
    sets: dict[int, Collection[str]] = {
        7: [CODING, "gardening"],
        8: [CODING],
        9: ["gardening"],
        10: topics_in(kept.draft),
    }
    found = allot(kept.draft, sets, {7: 1, 8: 5, 9: 2, 10: 9}, off_topic="lead", most=64)
    assert found.of_set == {7: 1, 8: 1, 9: 2, 10: WHOLE}
    assert [cut.topics for cut in found.cuts] == [(CODING,), ()]
    assert allot(kept.draft, sets, {7: 1, 8: 5, 9: 2, 10: 9}, off_topic="none", most=64).of_set[9] == NO_MAIL


def test_a_chosen_lead_is_not_the_lead_for_want_of_anything_else(kept: Snapshot) -> None:
    lead = kept.draft.placed[0]
    alone = replace(lead.comparison, left=replace(lead.comparison.left, category="Chess"))
    alone = replace(alone, right=replace(alone.right, category="Chess"))
    draft = replace(kept.draft, placed=(replace(lead, comparison=alone), *kept.draft.placed[1:]))
    found = allot(draft, {1: ["chess"], 2: ["gardening"]}, {1: 1, 2: 1}, off_topic="lead", most=64)
    assert sorted(found.of_set.values()) == [1, 2]


def test_the_most_used_are_made_and_the_others_get_the_issue(kept: Snapshot) -> None:
    topics = sorted(topics_in(kept.draft))
    sets: dict[int, Collection[str]] = {number: [topic] for number, topic in enumerate(topics, start=1)}
    readers = {number: number for number in sets}
    found = allot(kept.draft, sets, readers, off_topic="lead", most=3)
    last = len(topics)
    assert found.of_set == {number: last + 1 - number if number > last - 3 else BEYOND for number in sets}


# In the store ----------------------------------------------------------------------------------------------------


def with_a_variant(kept: Snapshot) -> tuple[Database, Variant]:
    db = approved()
    whole = issues.frozen(db, 1)
    assert whole is not None
    cut = cut_for(kept.draft, [CODING], off_topic="lead")
    variant = Variant(cut, in_envelope(render_cut(kept, cut, SETTINGS).content, whole))
    with writing(db) as connection:
        put(connection, 1, [variant])
    return db, variant


def test_a_variant_is_found_as_it_was_written(kept: Snapshot) -> None:
    db, variant = with_a_variant(kept)
    assert content_of(db, 1, 1) == variant.content
    assert content_of(db, 1, WHOLE) == issues.frozen(db, 1)
    assert cuts_of(db, 1) == {1: variant.cut}
    assert check_variants(db) == []
    with pytest.raises(NotFoundError, match="issue 1 has no variant 2"):
        content_of(db, 1, 2)


@pytest.mark.parametrize("column", ["subject", "preheader", "html", "text", "content_hash"])
def test_a_variant_that_was_changed_is_found_out(kept: Snapshot, column: str) -> None:
    db, _ = with_a_variant(kept)
    db.execute(f"UPDATE variants SET {column} = {column} || ' '")
    assert check_variants(db) == ["variant 1 of issue 1 is not what was frozen: it does not match its hash"]


# Looked at -------------------------------------------------------------------------------------------------------


def test_an_editor_sees_what_readers_of_a_topic_get(kept: Snapshot) -> None:
    db = approved()
    db.execute("UPDATE tools SET category = 'Other'")
    cut, fitted = laid_out_for(db, SETTINGS, 1, [CODING])
    assert cut is not None
    assert fitted is not None
    assert slugs(fitted.draft) == list(cut_for(kept.draft, [CODING], off_topic="lead").comparisons)
    assert fitted.content.mjml
    db, variant = with_a_variant(kept)
    _, fitted = laid_out_for(db, SETTINGS, 1, [CODING])
    assert fitted is not None
    assert replace(fitted.content, mjml="") == variant.content


def test_an_editor_is_not_shown_the_lead_for_want_of_anything_else_where_it_was_chosen() -> None:
    db = memory_store()
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW, since=NOW - timedelta(hours=40))
    issues.freeze(db, SETTINGS, 1, now=NOW)
    kept, whole = issues.find_snapshot(db, 1), issues.frozen(db, 1)
    assert kept is not None
    assert whole is not None
    alone, chosen = (cut_for(kept.draft, [topic], off_topic="lead") for topic in ("gardening", CODING))
    assert chosen.comparisons == alone.comparisons
    contents = [in_envelope(render_cut(kept, cut, SETTINGS).content, whole) for cut in (alone, chosen)]
    with writing(db) as connection:
        put(connection, 1, [Variant(alone, contents[0]), Variant(chosen, contents[1])])
    for number, topic in ((1, "gardening"), (2, CODING)):
        _, fitted = laid_out_for(db, SETTINGS, 1, [topic])
        assert fitted is not None
        assert fitted.content.html == content_of(db, 1, number).html


def test_an_editor_sees_the_whole_or_nothing(kept: Snapshot) -> None:
    db, whole = approved(), topics_in(kept.draft)
    assert laid_out_for(db, SETTINGS, 1, whole) == (None, issues.laid_out(db, SETTINGS, 1))
    none = SETTINGS.model_copy(update={"off_topic": "none"})
    assert laid_out_for(db, none, 1, ["gardening"]) == (Cut((), ()), None)


def test_a_draft_is_looked_at_as_it_stands() -> None:
    db = memory_store()
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    cut, fitted = laid_out_for(db, SETTINGS, 1, [CODING])
    assert cut is not None
    assert fitted is not None
    assert len(fitted.draft.placed) == len(cut.comparisons) < 10
