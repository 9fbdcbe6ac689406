"""`digest suppressions`."""

from __future__ import annotations

from pathlib import Path

import test_command_line
from test_command_line import Run

digest = test_command_line.digest


def listed(digest: Run) -> dict[str, str]:
    """Every address on the list, and why."""
    return {entry["email"]: entry["reason"] for entry in digest("suppressions", "list", "--json").data}


def test_an_address_is_added_listed_and_taken_off(digest: Run) -> None:
    assert "is on the list." in digest("suppressions", "add", "ada@example.com").out
    assert "already" in digest("suppressions", "add", "ADA@example.com").out
    digest("suppressions", "add", "bob@example.com", "--reason", "hard-bounce")
    assert listed(digest) == {"ada@example.com": "unsubscribed", "bob@example.com": "hard bounce"}
    shown = digest("suppressions", "list", "--reason", "hard-bounce").out
    assert "bob@example.com" in shown
    assert "ada@example.com" not in shown
    assert "off the list" in digest("suppressions", "remove", "ada@example.com").out
    assert listed(digest) == {"bob@example.com": "hard bounce"}


def test_who_complained_is_taken_off_only_on_purpose(digest: Run) -> None:
    digest("suppressions", "add", "ada@example.com", "--reason", "complaint")
    ran = digest("suppressions", "remove", "ada@example.com", code=1)
    assert "--yes" in ran.err
    assert listed(digest) == {"ada@example.com": "complaint"}
    digest("suppressions", "remove", "ada@example.com", "--yes")
    assert listed(digest) == {}
    assert "Nobody" in digest("suppressions", "list").out


def test_a_list_goes_out_and_in_again(digest: Run) -> None:
    Path("bounces.csv").write_text("address,code,error\nada@example.com,550,no\nbad,550,no\n")
    dry = digest("suppressions", "import", "bounces.csv", "--reason", "hard-bounce", "--dry-run", "--json", code=3)
    assert (dry.data["added"], dry.data["dry_run"], dry.data["rejected"][0]["line"]) == (1, True, 3)
    assert not Path("digest.db").exists()
    digest("suppressions", "import", "bounces.csv", "--reason", "hard-bounce", code=3)
    digest("suppressions", "export", "--out", "out.csv")
    assert digest("suppressions", "export").out == Path("out.csv").read_text()
    digest("suppressions", "remove", "ada@example.com")
    digest("suppressions", "import", "out.csv")
    assert listed(digest) == {"ada@example.com": "hard bounce"}
    assert digest("suppressions", "export", "--json").data[0]["source"] == "import of out.csv"


def test_a_reason_that_is_none_is_refused(digest: Run) -> None:
    assert "hard-bounce" in digest("suppressions", "add", "ada@example.com", "--reason", "tired", code=2).err
    assert "hard-bounce" in digest("suppressions", "import", "nothing.csv", "--reason", "forgotten", code=2).err
    assert "cannot be read" in digest("suppressions", "import", "nothing.csv", code=1).err
