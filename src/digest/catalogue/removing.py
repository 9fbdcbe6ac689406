"""Taking something out of the catalogue: only what nothing else stands on."""

from __future__ import annotations

from digest.errors import NotFoundError, StateError
from digest.store import Database, writing


def remove_review(db: Database, tool: str, reviewer: str) -> bool:
    """Take out what a reviewer said of a tool, both by slug; give whether there was anything."""
    with writing(db) as connection:
        sql = (
            "DELETE FROM reviews WHERE tool = (SELECT id FROM tools WHERE slug = ?)"
            " AND reviewer = (SELECT id FROM reviewers WHERE slug = ?)"
        )
        return connection.execute(sql, (tool, reviewer)).rowcount > 0


def remove_comparison(db: Database, slug: str) -> None:
    """Take out a comparison that no issue has, or has left out.

    Raises:
        NotFoundError: there is none.
        StateError: an issue has it.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT id FROM comparisons WHERE slug = ?", (slug,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no comparison {slug!r}")
        if issues := [
            number
            for (number,) in connection.execute(
                "SELECT issue FROM issue_comparisons WHERE comparison = ? ORDER BY issue", row
            )
        ]:
            raise StateError(
                f"issue {issues[-1]} has considered this comparison, so it stays; give it a later date to hide its page"
            )
        connection.execute("DELETE FROM comparisons WHERE id = ?", row)


def remove_tool(db: Database, slug: str) -> None:
    """Take out a tool that no comparison has, with its reviews and votes.

    Raises:
        NotFoundError: there is none.
        StateError: a comparison has it.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT id FROM tools WHERE slug = ?", (slug,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no tool {slug!r}")
        used = connection.execute(
            "SELECT slug FROM comparisons WHERE left_tool = ?1 OR right_tool = ?1 ORDER BY id DESC LIMIT 1", row
        ).fetchone()
        if used:
            raise StateError(f"the comparison {used[0]} has this tool; take that out first")
        for table in ("reviews", "votes"):
            connection.execute(f"DELETE FROM {table} WHERE tool = ?", row)  # noqa: S608 (two words of ours)
        connection.execute("DELETE FROM tools WHERE id = ?", row)


def remove_reviewer(db: Database, slug: str) -> None:
    """Take out a reviewer who has said nothing.

    Raises:
        NotFoundError: there is none.
        StateError: some review is by this one.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT id FROM reviewers WHERE slug = ?", (slug,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no reviewer {slug!r}")
        count = connection.execute("SELECT count(*) FROM reviews WHERE reviewer = ?", row).fetchone()[0]
        if count:
            raise StateError(f"{count} reviews are by this reviewer; take them out first")
        connection.execute("DELETE FROM reviewers WHERE id = ?", row)
