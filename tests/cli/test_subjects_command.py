"""`digest subjects`: written, arranged, sent in two parts, decided on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conftest import NOW
from digest.audience import subscribers
from digest.cli import cli
from digest.issue import issues
from digest.settings import Settings
from digest.store import Database, writing

Run = Callable[..., str]
B = "Which of these would you ship?"


@pytest.fixture
def run(sample: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a store with a draft and ten readers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    issues.draft(sample, settings, now=NOW)
    with writing(sample):
        for number in range(1, 11):
            subscribers.add(sample, f"reader{number}@example.com", now=NOW)

    def ran(*arguments: str, code: int = 0) -> str:
        given = [*arguments, "--set", "postal_address=Here", "--set", "tracking=readers"]
        done = CliRunner().invoke(cli, given, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.output

    return ran


def given(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_a_subject_is_tried_chosen_and_sent_to_the_rest(run: Run) -> None:
    assert "Issue 1 has one subject: Cursor vs Claude Code" in run("subjects", "show", "1")
    assert "Tried on 20% of the readers; clicks decide 2 hours after they have it." in run("subjects", "add", "1", B)
    run("subjects", "arrange", "1", "--share", "40", "--rule", "person")
    run("approve", "1")
    said = run("subjects", "change", "1", "1", f"{B}!", "--preheader", "Nine critics")
    assert "It was approved and is a draft again: digest approve 1" in said
    run("approve", "1")
    said = run("send", "1")
    assert "4 of 10 copies accepted" in said
    assert "6 wait for the subject that wins: `digest subjects decide 1 --winner K`" in said
    assert "A person decides which one wins. 6 readers wait for it." in run("subjects", "show", "1")
    assert "Subject B of issue 1 has won" in run("subjects", "decide", "1", "--winner", "1")
    assert "Issue 1 is sent: 10 of 10 copies accepted." in run("send", "1")
    assert "B won: a person chose it" in run("subjects", "show", "1")
    assert given(run, "status")["issues"][0]["subject"] == f"{B}!"
    assert "is sound" in run("db", "check")
    assert run("doctor", "store")


def test_in_json_it_has_one_shape(run: Run) -> None:
    found = given(run, "subjects", "show", "1")
    assert sorted(found) == ["number", "rule", "share", "tried", "wait"]
    run("subjects", "add", "1", B)
    run("subjects", "add", "1", "Another", "--preheader", "With this")
    found = given(run, "subjects", "remove", "1", "1")
    assert [(one["letter"], one["preheader"]) for one in found["tried"]][1] == ("B", "With this")
    assert (found["state"], found["share"], found["winner"], found["too_close"]) == ("draft", 20, None, True)


def test_what_cannot_be_is_said_in_a_line(run: Run) -> None:
    run("subjects", "arrange", "1", code=2)
    with pytest.raises(Exception, match="issue 1 has no alternative 1; it has none"):
        run("subjects", "remove", "1", "1")
    with pytest.raises(Exception, match="there is no issue 9"):
        run("subjects", "show", "9")
