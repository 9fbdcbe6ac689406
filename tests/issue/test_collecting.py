"""No comparison is in two issues and none is in none, whenever it is published, imported or collected."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlite_utils import Database

from conftest import NOW, import_sample, memory_store
from digest import times
from digest.audience import subscribers
from digest.catalogue.importing import import_files
from digest.errors import InputError
from digest.issue import issues
from digest.issue.model import Issue
from digest.sending import ledger
from digest.settings import Settings
from digest.store import writing

SETTINGS = Settings()


def put(db: Database, document: object, now: datetime, zone: str = "UTC") -> None:
    (report,) = import_files(db, [("x.json", json.dumps(document).encode())], now=now, zone=ZoneInfo(zone))
    assert report.error is None, report.error


def pair(db: Database, name: str, now: datetime, published_at: str | None = None, zone: str = "UTC") -> str:
    """Publish a comparison of two tools of its own; give its slug."""
    comparison = {"left": f"{name} left", "right": f"{name} right", "slug": name}
    if published_at:
        comparison["published_at"] = published_at
    put(
        db,
        {"tools": [{"name": f"{name} left"}, {"name": f"{name} right"}], "comparisons": [comparison]},
        now,
        zone,
    )
    return name


def slugs(db: Database, issue: Issue | None) -> list[str]:
    assert issue is not None
    return [item.comparison.slug for item in issues.load_draft(db, issue.number).placed if item.form != "out"]


def send(db: Database, number: int, now: datetime) -> None:
    """Approve an issue and begin to mail it to one reader."""
    subscribers.add(db, "reader@example.com", now=now)
    issues.freeze(db, SETTINGS, number, now=now)
    ledger.freeze_audience(db, number, now=now)


def test_drafting_twice_makes_one_issue(sample: Database) -> None:
    first = issues.draft(sample, SETTINGS, now=NOW)
    second = issues.draft(sample, SETTINGS, now=NOW + timedelta(hours=1))
    assert first.made
    assert not second.made
    assert first.issue == second.issue


def test_with_nothing_new_there_is_no_issue(sample: Database) -> None:
    send(sample, 1 if issues.draft(sample, SETTINGS, now=NOW).issue else 0, NOW)
    done = issues.draft(sample, SETTINGS, now=NOW + timedelta(days=7))
    assert done.issue is None
    assert not done.made


def test_an_empty_catalogue_makes_no_issue(db: Database) -> None:
    assert issues.draft(db, SETTINGS, now=NOW).issue is None


def test_what_is_published_while_a_draft_is_open_is_in_the_next_issue(sample: Database) -> None:
    first = issues.draft(sample, SETTINGS, now=NOW)
    later = NOW + timedelta(hours=2)
    slug = pair(sample, "late-one", later)
    assert issues.draft(sample, SETTINGS, now=later).waiting == 1
    send(sample, 1, later)
    second = issues.draft(sample, SETTINGS, now=later + timedelta(days=7))
    assert slug not in slugs(sample, first.issue)
    assert slugs(sample, second.issue) == [slug]


def test_refreshing_a_draft_takes_in_what_came_since(sample: Database) -> None:
    issues.draft(sample, SETTINGS, now=NOW)
    later = NOW + timedelta(hours=2)
    slug = pair(sample, "late-one", later)
    done = issues.draft(sample, SETTINGS, now=later, refresh=True)
    assert done.refreshed
    assert slug in slugs(sample, done.issue)
    assert done.issue is not None
    assert done.issue.cutoff == later


def test_a_page_that_comes_in_late_with_an_old_date_is_not_lost(sample: Database) -> None:
    issues.draft(sample, SETTINGS, now=NOW)
    send(sample, 1, NOW)
    slug = pair(sample, "forgotten", NOW + timedelta(days=1), published_at="2026-11-20")
    assert slugs(sample, issues.draft(sample, SETTINGS, now=NOW + timedelta(days=7)).issue) == [slug]


def test_a_page_that_is_not_public_yet_waits_for_its_day(db: Database) -> None:
    pair(db, "tomorrow", NOW, published_at="2026-11-27")
    assert issues.draft(db, SETTINGS, now=NOW).issue is None
    assert slugs(db, issues.draft(db, SETTINGS, now=NOW + timedelta(days=1)).issue) == ["tomorrow"]


def test_older_ones_can_be_left_out_of_the_first_issue_for_good(sample: Database) -> None:
    first = issues.draft(sample, SETTINGS, now=NOW, since=NOW - timedelta(days=7))
    assert 0 < len(slugs(sample, first.issue)) < 30
    send(sample, 1, NOW)
    assert issues.draft(sample, SETTINGS, now=NOW + timedelta(days=7)).issue is None


def test_a_cancelled_issue_gives_its_comparisons_back(sample: Database) -> None:
    first = issues.draft(sample, SETTINGS, now=NOW)
    issues.cancel(sample, 1, now=NOW)
    second = issues.draft(sample, SETTINGS, now=NOW + timedelta(days=7))
    assert slugs(sample, second.issue) == slugs(sample, first.issue)
    assert second.issue is not None
    assert second.issue.number == 2


def test_an_issue_cancelled_behind_a_newer_one_gives_its_comparisons_back(db: Database) -> None:
    pair(db, "one", NOW)
    issues.draft(db, SETTINGS, now=NOW)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    pair(db, "two", NOW)
    assert slugs(db, issues.draft(db, SETTINGS, now=NOW + timedelta(days=7)).issue) == ["two"]
    issues.freeze(db, SETTINGS, 2, now=NOW + timedelta(days=7))
    issues.cancel(db, 1, now=NOW + timedelta(days=8))
    assert slugs(db, issues.draft(db, SETTINGS, now=NOW + timedelta(days=14)).issue) == ["one"]


def test_a_changed_verdict_comes_back_once_and_not_alone(db: Database) -> None:
    pair(db, "one", NOW)
    issues.draft(db, SETTINGS, now=NOW)
    send(db, 1, NOW)
    later = NOW + timedelta(days=1)
    put(db, {"reviews": [{"tool": "one left", "reviewer": "Builder", "verdict": "ship", "quote": "Yes."}]}, later)
    assert issues.draft(db, SETTINGS, now=later).issue is None, "an update alone makes no issue"
    pair(db, "two", later)
    second = issues.draft(db, SETTINGS, now=later)
    assert second.issue is not None
    placed = issues.load_draft(db, second.issue.number).placed
    assert [(item.comparison.slug, item.updated) for item in placed] == [("two", False), ("one", True)]
    send(db, 2, later)
    pair(db, "three", later)
    assert slugs(db, issues.draft(db, SETTINGS, now=later + timedelta(days=7)).issue) == ["three"]


def test_a_mended_sentence_is_no_news(db: Database) -> None:
    pair(db, "one", NOW)
    put(db, {"reviews": [{"tool": "one left", "reviewer": "Builder", "verdict": "ship", "quote": "Yess."}]}, NOW)
    issues.draft(db, SETTINGS, now=NOW)
    send(db, 1, NOW)
    later = NOW + timedelta(days=1)
    put(db, {"reviews": [{"tool": "one left", "reviewer": "Builder", "quote": "Yes."}]}, later)
    pair(db, "two", later)
    assert slugs(db, issues.draft(db, SETTINGS, now=later).issue) == ["two"]


def test_another_order_of_the_panel_brings_nothing_back(db: Database) -> None:
    pair(db, "one", NOW)
    said = [{"tool": "one left", "reviewer": name, "verdict": "ship", "quote": "Yes."} for name in ("Zoe", "Abe")]
    put(db, {"reviewers": [{"name": "Zoe", "position": 1}, {"name": "Abe", "position": 2}], "reviews": said}, NOW)
    issues.draft(db, SETTINGS, now=NOW)
    send(db, 1, NOW)
    # As an older digest kept it: by the panel's order.
    facts = [["one-left", None, 100, [["zoe", "ship"], ["abe", "ship"]]], ["one-right", None, None, []]]
    kept = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    with writing(db) as connection:
        connection.execute("UPDATE issue_comparisons SET substance = ?", (kept,))
    for week, name in enumerate(("two", "three"), start=1):
        later = NOW + timedelta(days=week)
        pair(db, name, later)
        assert slugs(db, issues.draft(db, SETTINGS, now=later).issue) == [name]
        send(db, week + 1, later)
        put(db, {"reviewers": [{"name": "Zoe", "position": 3}]}, later)


def test_the_sample_makes_the_same_issue_of_the_same_catalogue() -> None:
    found = []
    for _ in range(2):
        db = memory_store()
        import_sample(db, SETTINGS)
        found.append(slugs(db, issues.draft(db, SETTINGS, now=NOW).issue))
        db.close()
    assert found[0] == found[1]


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
# Around both changes of the clocks in Berlin and New York, and some weeks between.
LOCAL_TIMES = st.one_of(
    st.datetimes(datetime(2026, 3, 7), datetime(2026, 4, 6)),
    st.datetimes(datetime(2026, 10, 24), datetime(2026, 11, 2)),
)


class Weeks(RuleBasedStateMachine):
    """Pages are published and issues made at any times; each page that was mailed was mailed once."""

    @initialize()
    def begin(self) -> None:
        self.db = memory_store()
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.published: dict[str, datetime] = {}
        self.mailed: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.now = datetime(2027, 1, 1, tzinfo=UTC)
            self.finish()
            done = issues.draft(self.db, SETTINGS, now=self.now)
            if done.issue:
                self.finish()
            assert sorted(self.mailed) == sorted(self.published), "every page was mailed, and once"
            self.db.close()

    @rule(hours=st.floats(0, 24 * 20))
    def time_passes(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @rule(local=LOCAL_TIMES, zone=st.sampled_from(ZONES))
    def publish(self, local: datetime, zone: str) -> None:
        """Import a page with a local date, which may be past or to come."""
        slug = f"page-{len(self.published)}"
        text = local.isoformat(sep=" ", timespec="seconds")
        try:
            moment = times.parse(text, ZoneInfo(zone), self.now)
        except InputError:
            return  # an hour that the clocks leave out
        pair(self.db, slug, self.now, text, zone)
        self.published[slug] = moment

    @rule()
    def publish_now(self) -> None:
        slug = f"page-{len(self.published)}"
        self.published[pair(self.db, slug, self.now)] = self.now

    @rule(refresh=st.booleans())
    def draft(self, refresh: bool) -> None:
        done = issues.draft(self.db, SETTINGS, now=self.now, refresh=refresh)
        if done.issue:
            assert all(self.published[slug] <= self.now for slug in slugs(self.db, done.issue))

    @rule()
    def finish(self) -> None:
        """Mail what is drafted."""
        for (number,) in self.db.conn.execute("SELECT number FROM issues WHERE state = 'draft'").fetchall():
            self.mailed += slugs(self.db, issues.find_issue(self.db, number))
            send(self.db, number, self.now)

    @rule()
    def cancel(self) -> None:
        for (number,) in self.db.conn.execute("SELECT number FROM issues WHERE state = 'draft'").fetchall():
            issues.cancel(self.db, number, now=self.now)

    @invariant()
    def nothing_is_mailed_twice(self) -> None:
        if hasattr(self, "mailed"):
            assert len(self.mailed) == len(set(self.mailed))


TestWeeks = Weeks.TestCase
TestWeeks.settings = hypothesis_settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_an_issue_cancelled_before_anybody_was_mailed_gives_its_comparisons_back(db: Database) -> None:
    pair(db, "one", NOW)
    issues.draft(db, SETTINGS, now=NOW)
    send(db, 1, NOW)
    issues.pause(db, 1, now=NOW)
    issues.cancel(db, 1, now=NOW)
    assert slugs(db, issues.draft(db, SETTINGS, now=NOW).issue) == ["one"]
