from __future__ import annotations

from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.catalogue import voting
from digest.errors import InputError, NotFoundError


@pytest.fixture
def tools(db: Database) -> Database:
    for name in ("Cursor", "Zed", "Later"):
        db.execute(
            "INSERT INTO tools (slug, name, name_key, created_at, updated_at) VALUES (?, ?, ?, '', '')",
            [name.lower(), name, name.lower()],
        )
    for slug, left, right, at in (
        ("cursor-vs-zed", 1, 2, NOW - timedelta(days=1)), ("later-vs-zed", 3, 2, NOW + timedelta(days=1)),
    ):  # fmt: skip
        db.execute(
            "INSERT INTO comparisons (slug, left_tool, right_tool, published_at, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, '', '')",
            [slug, left, right, times.to_text(at)],
        )
    return db


def test_a_vote_counts_and_is_changed_and_taken_back(tools: Database) -> None:
    assert voting.vote(tools, "cursor", "browser:1", "ship", now=NOW)
    assert voting.vote(tools, "cursor", "browser:2", "ship", now=NOW)
    assert voting.ballot(tools, "cursor", "browser:1", now=NOW).tool.community == 100
    assert voting.vote(tools, "cursor", "browser:1", "skip", now=NOW)
    ballot = voting.ballot(tools, "cursor", "browser:1", now=NOW)
    assert (ballot.own, ballot.tool.community, ballot.tool.votes.total) == ("skip", 50, 2)
    assert voting.withdraw(tools, "cursor", "browser:1", now=NOW)
    assert not voting.withdraw(tools, "cursor", "browser:1", now=NOW)
    ballot = voting.ballot(tools, "cursor", "browser:1", now=NOW)
    assert (ballot.own, ballot.tool.votes.total) == (None, 1)


def test_the_same_vote_again_leaves_kept_pages_alone(tools: Database) -> None:
    voting.vote(tools, "cursor", "browser:1", "ship", now=NOW)
    before = tools.execute("SELECT version FROM catalogue_version").fetchone()
    assert not voting.vote(tools, "cursor", "browser:1", "ship", now=NOW)
    assert tools.execute("SELECT version FROM catalogue_version").fetchone() == before
    voting.vote(tools, "cursor", "browser:1", "skip", now=NOW)
    assert tools.execute("SELECT version FROM catalogue_version").fetchone() != before


def test_a_ballot_leads_to_the_newest_public_comparison(tools: Database) -> None:
    comparison = voting.ballot(tools, "zed", None, now=NOW).comparison
    assert comparison is not None
    assert comparison.slug == "cursor-vs-zed"


@pytest.mark.parametrize("slug", ["later", "nothing", "' OR 1=1 --", ""])
def test_nobody_votes_on_what_readers_may_not_see(tools: Database, slug: str) -> None:
    for ask in (
        lambda: voting.ballot(tools, slug, None, now=NOW),
        lambda: voting.vote(tools, slug, "browser:1", "ship", now=NOW),
        lambda: voting.withdraw(tools, slug, "browser:1", now=NOW),
    ):
        with pytest.raises(NotFoundError):
            ask()
    assert tools.execute("SELECT * FROM votes").fetchall() == []


@pytest.mark.parametrize("word", ["", "Ship", "none", "ship\n", "maybe"])
def test_a_vote_is_ship_or_skip(word: str) -> None:
    assert voting.read_verdict("ship") == "ship"
    with pytest.raises(InputError):
        voting.read_verdict(word)
