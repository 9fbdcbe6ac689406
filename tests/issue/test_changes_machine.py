"""However two people's writes interleave, on whatever they last saw: nothing typed is lost, and all can be undone.

Each write types a word of its own, and may take words away that its page shows. A word is in its field, or was set
aside, or somebody who saw it took it away, or its own writer undid it, and then the edits have it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest.catalogue.importing import import_files
from digest.editors import people
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import StateError
from digest.issue import arranging, changes, issues
from digest.issue.arrangement import arrangement_of, shown
from digest.issue.changes import ConflictError
from digest.issue.edits import WORDS, Word, edits_of, undoable
from digest.issue.set_aside import asides
from digest.settings import Settings

SETTINGS = Settings(postal_address="1 Sample Street, 10115 Berlin")
HANDS = st.integers(0, 1)
FIELDS: st.SearchStrategy[Word] = st.sampled_from(("intro", "intro", "subject", "preheader"))
PAIRS = 6


def _small() -> Database:
    """A store with a few comparisons."""
    db = memory_store()
    names = [f"{side} {number}" for number in range(PAIRS) for side in ("Left", "Right")]
    document = {
        "tools": [{"name": name} for name in names],
        "comparisons": [
            {"left": f"Left {number}", "right": f"Right {number}", "published_at": "2026-11-20"}
            for number in range(PAIRS)
        ],
    }
    (report,) = import_files(db, [("x.json", json.dumps(document).encode())], now=NOW, zone=SETTINGS.zone)
    assert report.error is None
    return db


_SMALL = _small()


class TwoAtOneDraft(RuleBasedStateMachine):
    """Two editors, each with a page that knows what it saw last."""

    @initialize()
    def begin(self) -> None:
        self.db = memory_store()
        _SMALL.conn.backup(self.db.conn)
        self.db.conn.execute("PRAGMA foreign_keys = ON")
        issues.draft(self.db, SETTINGS, now=NOW)
        self.hands = []
        for name in ("Ann", "Bea"):
            found = people.add(self.db, f"{name}@example.com", name=name, role="editor", by=COMMAND_LINE, now=NOW)
            self.hands.append(By(found.id, name))
        self.now = NOW
        self.first = self.state()
        self.seen = [{name: self.text(name) for name in WORDS} for _ in self.hands]
        self.typed: dict[str, Word] = {}
        self.taken: set[str] = set()
        self.undone = False
        self.words = 0

    def text(self, field: Word) -> str:
        found: str = getattr(issues.load_draft(self.db, 1), field)
        return found

    def state(self) -> object:
        own = issues.own_words(self.db, 1)
        draft = issues.load_draft(self.db, 1)
        return [getattr(draft, name) for name in WORDS], own, arrangement_of(self.db.conn, 1)

    @rule(
        who=HANDS,
        field=FIELDS,
        at=st.integers(0, 12),
        take=st.integers(0, 3),
        line=st.booleans(),
        pause=st.integers(0, 20),
        looks=st.booleans(),
    )
    def types(self, who: int, field: Word, at: int, take: int, line: bool, pause: int, looks: bool) -> None:
        """Somebody types a word, on what the page shows; and takes some away before it."""
        self.now += timedelta(seconds=pause)
        base = self.seen[who][field]
        words = base.split(" ")
        place = min(at, len(words))
        gone = words[max(0, place - take) : place]
        self.words += 1
        word = f"w{self.words}"
        put = f"{word}\n\n" if line and field == "intro" else word
        text = " ".join([*words[: max(0, place - take)], put, *words[place:]])
        if len(text) > 280 and field != "intro":
            return
        self.typed[word] = field
        try:
            written = changes.write(self.db, 1, field, text, base=base, by=self.hands[who], now=self.now)
        except ConflictError as met:
            # What the page is told stands: another's words, and its own set aside.
            self.seen[who][field] = met.theirs
            return
        self.taken |= {found for part in gone for found in part.split()}
        assert word in written.text.split()
        if looks or written.merged:
            self.seen[who][field] = written.text
        else:
            # The answer was lost: the page goes on from what it sent.
            self.seen[who][field] = text

    @rule(who=HANDS, field=FIELDS)
    def looks(self, who: int, field: Word) -> None:
        """A page is told what there is."""
        self.seen[who][field] = self.text(field)

    @rule(who=HANDS, which=st.integers(0, PAIRS - 1), to=st.integers(0, PAIRS - 1))
    def moves(self, who: int, which: int, to: int) -> None:
        slug = issues.load_draft(self.db, 1).placed[which].comparison.slug
        arranging.move(self.db, 1, slug, to, by=self.hands[who], now=self.now)

    @rule(who=HANDS, which=st.integers(0, PAIRS - 1), form=st.sampled_from(("full", "brief", "link", "out")))
    def shapes(self, who: int, which: int, form: str) -> None:
        slug = issues.load_draft(self.db, 1).placed[which].comparison.slug
        with suppress(StateError):
            arranging.set_form(self.db, 1, slug, form, by=self.hands[who], now=self.now)

    @rule(who=HANDS, back=st.booleans())
    def undoes(self, who: int, back: bool) -> None:
        before = self.state()
        try:
            (changes.undo if back else changes.redo)(self.db, 1, by=self.hands[who], now=self.now)
        except StateError:
            assert self.state() == before
        else:
            self.undone = True

    @rule(who=HANDS, field=FIELDS)
    def gives_back(self, who: int, field: Word) -> None:
        there = self.text(field).split()
        changes.give_back(self.db, 1, field, by=self.hands[who], now=self.now)
        self.taken |= set(there)

    @rule(who=HANDS, use=st.booleans())
    def settles(self, who: int, use: bool) -> None:
        kept = asides(self.db.conn, 1)
        if not kept:
            return
        there = set(self.text(kept[0].field).split())
        if use:
            changes.use_aside(self.db, 1, kept[0].id, by=self.hands[who], now=self.now)
            self.taken |= there - set(kept[0].words.split())
        else:
            changes.drop_aside(self.db, 1, kept[0].id, now=self.now)
            self.taken |= set(kept[0].words.split())

    @invariant()
    def nothing_typed_is_lost(self) -> None:
        if not hasattr(self, "typed"):
            return
        draft = issues.load_draft(self.db, 1)
        kept: dict[Word, set[str]] = {name: set(getattr(draft, name).split()) for name in WORDS}
        for aside in asides(self.db.conn, 1):
            kept[aside.field] |= set(aside.words.split())
        lost = {word for word, field in self.typed.items() if word not in kept[field]} - self.taken
        if not lost:
            return
        assert self.undone, f"lost: {lost}"
        edits = " ".join(json.dumps([edit.before, edit.after]) for edit in edits_of(self.db.conn, 1, limit=10_000))
        assert {word for word in lost if word not in edits} == set()

    @invariant()
    def the_comparisons_are_all_there_and_one_is_shown(self) -> None:
        if hasattr(self, "typed"):
            items = arrangement_of(self.db.conn, 1)
            assert len({item.comparison for item in items}) == len(items) == PAIRS
            assert shown(items)
            assert [item.form == "out" for item in items] == sorted(item.form == "out" for item in items)

    def teardown(self) -> None:
        """Undone in the order it was done in, from the end, it is as it began."""
        if not hasattr(self, "typed"):
            return
        if not self.undone:
            while True:
                left = [(undoable(self.db.conn, 1, by.editor or 0)[0], by) for by in self.hands]
                last, by = max(left, key=lambda pair: pair[0] or 0)
                if last is None:
                    break
                changes.undo(self.db, 1, by=by, now=self.now)
            assert self.state() == self.first
        self.db.close()


TwoAtOneDraft.TestCase.settings = hypothesis_settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_two_at_one_draft = TwoAtOneDraft.TestCase
