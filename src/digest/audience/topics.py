"""Topics: the categories of the catalogue, of which a reader may choose some.

A topic is named by the slug of its category, so that two spellings of a category are one topic. What a reader chose
is a set of them, kept once for all who chose the same; a reader without a set gets everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from digest.catalogue.names import slug_for
from digest.errors import InputError, nearest
from digest.store import Database, writing

MOST = 100
"""Topics that one reader may choose: more than any catalogue has categories."""


@dataclass(frozen=True)
class Topic:
    """A topic: its slug, and the category as the catalogue spells it first."""

    slug: str
    name: str


def topic_of(category: str) -> str:
    """Give the topic of a category: its slug."""
    return slug_for(category)


def topics_of(db: Database) -> tuple[Topic, ...]:
    """Give the topics there are to choose from, by name."""
    rows = db.conn.execute("SELECT DISTINCT category FROM tools WHERE category IS NOT NULL AND category <> ''")
    found: dict[str, str] = {}
    for name in sorted((row[0] for row in rows), key=lambda name: (name.casefold(), name)):
        found.setdefault(topic_of(name), name)
    return tuple(Topic(slug, name) for slug, name in found.items())


def read_topics(db: Database, given: Iterable[str]) -> tuple[str, ...]:
    """Check topics that somebody chose, and give them sorted; nothing where that is everything.

    Who chose each and every topic wants everything, also a category that is new next week.

    Raises:
        InputError: there is no such topic, or they are too many.
    """
    chosen = {slug.strip() for slug in given} - {""}
    if len(chosen) > MOST:
        raise InputError(f"{len(chosen)} topics are more than the {MOST} one can choose", field="topics")
    known = {topic.slug for topic in topics_of(db)} if chosen else set()
    for slug in sorted(chosen - known):
        raise InputError(f"no topic is called {slug[:80]!r}{nearest(slug[:80], known)}", field="topics")
    return () if chosen == known else tuple(sorted(chosen))


def topic_set_of(db: Database, topics: Iterable[str]) -> int | None:
    """Give the number of a set of topics, which is made where it is new; None, everything, where there are none.

    The topics are not checked: see `read_topics`.
    """
    sorted_topics = sorted(set(topics))
    if not sorted_topics:
        return None
    text = json.dumps(sorted_topics, separators=(",", ":"))
    with writing(db) as connection:
        connection.execute("INSERT INTO topic_sets (topics) VALUES (?) ON CONFLICT DO NOTHING", (text,))
        number: int = connection.execute("SELECT id FROM topic_sets WHERE topics = ?", (text,)).fetchone()[0]
    return number


def topics_in(db: Database, topic_set: int | None) -> tuple[str, ...]:
    """Give the topics of a set, sorted; nothing for None, which is everything.

    A topic whose category has left the catalogue since stays in it.
    """
    if topic_set is None:
        return ()
    row = db.conn.execute("SELECT topics FROM topic_sets WHERE id = ?", (topic_set,)).fetchone()
    return tuple(json.loads(row[0])) if row else ()


def topic_sets(db: Database) -> dict[int, tuple[str, ...]]:
    """Give every set of topics, by its number."""
    return {number: tuple(json.loads(text)) for number, text in db.conn.execute("SELECT id, topics FROM topic_sets")}
