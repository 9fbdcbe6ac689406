"""What the commands say of readers' topics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conftest import NOW
from digest.audience import subscribers
from digest.audience.topics import topic_set_of
from digest.cli import cli
from digest.cli.topics import told
from digest.issue import issues
from digest.sending.topics import Report
from digest.settings import Settings
from digest.store import Database, writing

CODING = "developer-tools"
Run = Callable[..., str]


@pytest.fixture
def run(sample: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a store with four readers: two chose what they build with, one gardening, one nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    issues.draft(sample, settings, now=NOW)
    with writing(sample):
        for number, topics in enumerate(([CODING], [CODING], ["gardening"], []), start=1):
            subscribers.add(sample, f"reader{number}@example.com", now=NOW)
            chosen = [topic_set_of(sample, topics), number]
            sample.execute("UPDATE subscribers SET topic_set = ? WHERE id = ?", chosen)

    def ran(*arguments: str) -> str:
        done = CliRunner().invoke(cli, [*arguments, "--set", "postal_address=Here"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return ran


def given(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_it_is_told_when_it_is_approved_when_it_is_sent_and_ever_after(run: Run) -> None:
    assert "2 variants for readers' topics; 2 readers get the issue composed for theirs" in run("approve", "1")
    sent = run("send", "1")
    words = (
        "2 variants for readers' topics; 2 readers got the issue composed for theirs;"
        " 1 reader had nothing on their topics and got the lead alone"
    )
    assert words in sent
    assert words in run("send", "1")
    assert words in run("show", "1")
    assert f"Issue 1: {words}" in run("status")
    expected = {
        "sets": 2, "variants": 2, "composed": 2, "everything": 0, "lead_alone": 1, "no_mail": 0, "beyond": 0,
        "trouble": None,
    }  # fmt: skip
    shown = given(run, "show", "1")
    assert given(run, "send", "1")["topics"] == expected
    assert given(run, "status")["issues"][0]["topics"] == expected
    assert shown["topics"] == expected
    assert [(variant["topics"], variant["readers"]) for variant in shown["variants"]] == [([CODING], 2), ([], 1)]
    assert f"variant 1: 2 readers, {CODING}" in run("show", "1", "-v")
    assert "is sound" in run("db", "check")


@pytest.mark.parametrize("approved", [False, True])
def test_an_editor_looks_at_what_readers_of_a_topic_get(run: Run, tmp_path: Path, approved: bool) -> None:
    if approved:
        run("approve", "1")
    shown = given(run, "show", "1", "--topics", f"{CODING}")
    assert shown["for_topics"] == [CODING]
    assert len(shown["comparisons"]) == 5
    assert "Zapier" not in run("show", "1", "--topics", CODING, "--text")
    run("render", "1", "--out", "here", "--topics", CODING)
    html = (tmp_path / "here" / "issue.html").read_text()
    assert "Aider" in html
    assert "Zapier" not in html


def test_a_topic_that_there_is_not_is_told(run: Run) -> None:
    done = CliRunner().invoke(cli, ["show", "1", "--topics", "developer-tool"])
    assert "no topic is called 'developer-tool'" in str(done.exception)


def test_readers_who_get_no_mail_are_told_of(run: Run, sample: Database) -> None:
    sample.execute(
        "INSERT INTO tools (slug, name, name_key, category, created_at, updated_at)"
        " VALUES ('spade', 'Spade', 'spade', 'Gardening', '', '')"
    )
    none = ("--set", "off_topic=none")
    assert "readers of them get no mail" in run("show", "1", "--topics", "gardening", *none)
    assert given(run, "show", "1", "--topics", "gardening", *none)["comparisons"] == []
    assert len(given(run, "show", "1", "--topics", "gardening")["comparisons"]) == 1
    run("approve", "1")
    assert "1 reader had nothing on their topics and got no mail" in run("send", "1", *none)


def test_everything_there_is_to_say_is_said() -> None:
    assert told(None) == []
    assert told(Report(sets=2, variants=1, composed=1200, everything=1, no_mail=3, beyond=2)) == [
        "1 variant for readers' topics; 1,200 readers got the issue composed for theirs; 3 readers had nothing on their"
        " topics and got no mail; 1 reader chose all that is in it and got the whole issue; 2 readers got the whole"
        " issue, for want of more variants (`topic_variants`)"
    ]
    assert told(Report(sets=1, everything=7, trouble="the templates changed")) == [
        "Readers' topics were left aside, and 7 readers got the whole: the templates changed"
    ]
