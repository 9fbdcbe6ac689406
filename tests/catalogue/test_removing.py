"""Taking out what nothing else stands on, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.catalogue import browsing, removing
from digest.catalogue.importing import import_files
from digest.errors import NotFoundError, StateError
from digest.issue import issues
from digest.settings import Settings
from serving import dump


def test_a_review_goes_once(sample: Database) -> None:
    count = sample["reviews"].count
    assert removing.remove_review(sample, "cursor", "builder")
    assert not removing.remove_review(sample, "cursor", "builder")
    assert not removing.remove_review(sample, "nothing", "builder")
    assert sample["reviews"].count == count - 1
    assert "builder" not in {review.reviewer.slug for review in browsing.tool(sample, "cursor").reviews}


@pytest.mark.parametrize("remove", [removing.remove_comparison, removing.remove_tool, removing.remove_reviewer])
def test_what_is_not_there_is_said(sample: Database, remove: Callable[[Database, str], None]) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        remove(sample, "nothing")


def test_a_tool_goes_with_all_that_is_its_own_once_no_comparison_has_it(sample: Database, settings: Settings) -> None:
    before = dump(sample)
    with pytest.raises(StateError, match="github-copilot-vs-cursor has this tool"):
        removing.remove_tool(sample, "cursor")
    assert dump(sample) == before
    found = list(sample["comparisons"].rows)
    [id_] = [row["id"] for row in sample["tools"].rows_where("slug = 'cursor'")]
    for row in found:
        if id_ in (row["left_tool"], row["right_tool"]):
            removing.remove_comparison(sample, row["slug"])
    assert sample["votes"].count_where("tool = ?", [id_])
    removing.remove_tool(sample, "cursor")
    for table in ("votes", "reviews"):
        assert sample[table].count_where("tool = ?", [id_]) == 0
    assert sample.execute("SELECT count(*) FROM tool_words WHERE rowid = ?", [id_]).fetchone()[0] == 0
    assert sample["tools"].count == len(before["tools"]) - 1


def test_a_comparison_that_an_issue_considered_stays(sample: Database, settings: Settings) -> None:
    issues.draft(sample, settings, now=NOW)
    considered = sample.execute(
        "SELECT c.slug FROM comparisons c JOIN issue_comparisons i ON i.comparison = c.id"
    ).fetchall()
    before = dump(sample)
    for (slug,) in considered:
        with pytest.raises(StateError, match="issue 1 has considered"):
            removing.remove_comparison(sample, slug)
    assert considered
    assert dump(sample) == before


def test_only_a_reviewer_who_said_nothing_goes(sample: Database, settings: Settings) -> None:
    with pytest.raises(StateError, match="reviews are by this reviewer"):
        removing.remove_reviewer(sample, "builder")
    import_files(sample, [("new.csv", b"name,stance\nThe Poet,Likes words\n")], now=NOW, zone=settings.zone)
    assert sample["reviewers"].count_where("slug = 'the-poet'") == 1
    removing.remove_reviewer(sample, "the-poet")
    assert sample["reviewers"].count_where("slug = 'the-poet'") == 0
    assert sample["reviewers"].count_where("slug = 'builder'") == 1
