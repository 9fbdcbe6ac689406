"""`digest check` and `digest letters`, and what `draft`, `show` and `approve` say of the checks."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run

from digest.issue.checks.run import IDS, LOCAL
from digest.resources import resource

# The command in an empty folder, and with issue 1 drafted.
digest, drafted = test_command_line.digest, test_command_line.drafted

PLACEHOLDER = "Hello {{ first_name }}, ship or skip?"
"""A subject that blocks an issue."""

SOUND = ("--set", "base_url=https://example.com", "--set", "postal_address=1 Sample Street",
         "--set", "sender_address=v@verdicts.site")  # fmt: skip
LETTERS = (
    "address",
    "approval",
    "confirm",
    "drafted",
    "goodbye",
    "invitation",
    "missed",
    "nothing-new",
    "notice",
    "reminder",
    "sent",
    "sign-in",
    "summary",
    "trouble",
    "welcome",
)


@pytest.fixture
def blocked(drafted: Run) -> Run:
    """The command with an issue 1 that its subject blocks."""
    drafted("edit", "1", "--subject", PLACEHOLDER)
    return drafted


@pytest.fixture
def sample(digest: Run) -> Run:
    """The command with the sample catalogue."""
    digest("import", resource("db", "sample"))
    return digest


def closed_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass(frozen=True)
class Own:
    """A folder of one's own templates, and the option that has it used."""

    folder: str
    option: tuple[str, str]


def own_template(name: str, text: str) -> Own:
    """Write a template of one's own. Each test has a folder of another name: templates are kept in memory by it."""
    folder = Path(f"own-{Path.cwd().name}")
    folder.mkdir()
    (folder / name).write_text(text)
    return Own(str(folder), ("--set", f"templates={folder}"))


# digest check --------------------------------------------------------------------------------------------------------


def test_an_issue_that_is_well_passes(drafted: Run) -> None:
    lines = drafted("check", "1", *SOUND).out.splitlines()
    assert [line.split()[1] for line in lines[: len(LOCAL)]] == list(LOCAL)
    assert all(line.startswith("✓ ") for line in lines[: len(LOCAL)])
    assert re.fullmatch(r"Issue 1: 19 pass, 0 warn, 0 block; content [0-9a-f]{12}", lines[-2])
    assert lines[-1] == "The DNS and the spam filter were not asked; --network asks them."


def test_what_warns_has_its_place_and_what_to_do_and_exits_with_0(drafted: Run) -> None:
    out = drafted("check", "1").out
    assert (
        "! postal-address  postal_address is not set: bulk mail must carry one by law in the US, Canada and the EU\n"
        "                  where: setting postal_address\n"
        "                  to do: set postal_address to a street address or a post office box at which you get mail\n"
    ) in out
    assert ", 0 block; content " in out
    assert "It cannot be approved" not in out


def test_what_blocks_is_told_and_exits_with_1(blocked: Run) -> None:
    ran = blocked("check", "1", *SOUND, code=1)
    assert "✗ subject         “{{” is left in the subject" in ran.out
    assert f"where: subject “{PLACEHOLDER}”" in ran.out
    assert "18 pass, 0 warn, 1 block" in ran.out
    assert ran.out.splitlines()[-1] == (
        'It cannot be approved as it is. To approve it all the same: digest approve 1 --override subject="why"'
    )
    assert ran.err == ""


def test_in_json_it_has_one_shape(drafted: Run) -> None:
    ran = drafted("check", "1", "--json")
    data = ran.data
    assert list(data) == ["number", "content_hash", "counts", "blocked", "findings", "moved", "overrides"]
    assert all(list(one) == ["check", "level", "what", "where", "todo", "command", "moot"] for one in data["findings"])
    assert [one["check"] for one in data["findings"]][: len(LOCAL)] == list(LOCAL)
    assert list(data["counts"]) == ["pass", "warn", "block", "not run"]
    assert sum(data["counts"].values()) == len(data["findings"])
    assert (data["number"], data["blocked"], data["moved"], data["overrides"]) == (1, False, [], [])
    assert data["content_hash"] == drafted("show", "1", "--json").data["content_hash"]
    assert len(data["content_hash"]) == 64
    assert ran.err == ""


def test_in_json_what_blocks_exits_with_1_too(blocked: Run) -> None:
    data = blocked("check", "1", "--json", code=1).data
    assert (data["blocked"], data["counts"]["block"]) == (True, 1)
    (found,) = [one for one in data["findings"] if one["level"] == "block"]
    assert (found["check"], found["where"]) == ("subject", f"subject “{PLACEHOLDER}”")


def test_what_was_passed_over_is_told_and_no_longer_blocks(blocked: Run) -> None:
    blocked("approve", "1", "--override", "subject=It is a quote.", *SOUND)
    out = blocked("check", "1", *SOUND).out
    assert "✗ subject " in out
    assert "overridden: It is a quote." in out
    data = blocked("check", "1", "--json", *SOUND).data
    (over,) = data["overrides"]
    assert (data["blocked"], data["counts"]["block"]) == (False, 1)
    assert (over["check"], over["reason"]) == ("subject", "It is a quote.")
    assert over["found"].startswith("“{{” is left in the subject")


def test_a_check_changes_nothing(drafted: Run) -> None:
    before = Path("digest.db").read_bytes(), drafted("show", "1", "--json").data
    drafted("check", "1")
    assert (Path("digest.db").read_bytes(), drafted("show", "1", "--json").data) == before


def test_an_issue_that_is_not_there_cannot_be_checked(drafted: Run) -> None:
    assert "there is no issue 2; the last one is 1" in drafted("check", "2", code=1).err


def test_offline_asks_nobody(drafted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("digest.issue.checks.run.ask", refuse)
    for option in ((), ("--offline",)):
        data = drafted("check", "1", "--json", *option).data
        assert [one["check"] for one in data["findings"]] == list(LOCAL)


@pytest.mark.parametrize("scheme", ["spamd", "http"])
def test_a_filter_that_does_not_listen_is_told_and_breaks_nothing(
    drafted: Run, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DIGEST_SPAM_FILTER", f"{scheme}://127.0.0.1:{closed_port()}")
    data = drafted("check", "1", "--network", "--json").data
    found = {one["check"]: one for one in data["findings"]}
    assert found["spam"]["level"] == "not run"
    assert f"{scheme}://127.0.0.1:" in found["spam"]["what"]
    assert any(name.startswith("dns-") for name in found)
    assert found.keys() <= set(IDS)
    said = drafted("check", "1", "--network").out
    assert "– spam " in said
    assert "were not asked" not in said


def test_links_that_lead_nowhere_are_told_where_that_is_asked_for(drafted: Run) -> None:
    base = f"http://127.0.0.1:{closed_port()}"
    data = drafted("check", "1", "--links", "--json", "--set", f"base_url={base}").data
    found = [one for one in data["findings"] if one["check"] == "links-answer"]
    assert found
    assert any(base in one["what"] + one["where"] for one in found)
    assert all(one["level"] != "pass" for one in found)


# Approving -----------------------------------------------------------------------------------------------------------


def test_what_blocks_is_not_approved(blocked: Run) -> None:
    ran = blocked("approve", "1", code=1)
    assert ran.out == ""
    assert ran.err.startswith("digest: issue 1 is not approved; these checks block it: subject. subject: “{{” is left")
    assert ran.err.count("\n") == 1
    assert blocked("show", "1", "--json").data["state"] == "draft"
    assert "block it: subject" in blocked("approve", "1", "--json", code=1).data["error"]["message"]


def test_with_a_reason_it_is_approved_and_the_reason_told(blocked: Run) -> None:
    ran = blocked("approve", "1", "--override", 'subject=a "quote" = meant', *SOUND)
    assert ran.out.startswith(f"Issue 1 is approved: {PLACEHOLDER}\n")
    assert ran.err.startswith("digest: subject: “{{” is left in the subject")
    assert ran.err.endswith('; approved all the same: a "quote" = meant\n')
    blocked("edit", "1", "--intro", "Once more.")
    data = blocked("approve", "1", "--override", "subject=meant", "--override", "size=too", "--json", *SOUND).data
    assert [(over["check"], over["reason"]) for over in data["overrides"]] == [("subject", "meant")]
    assert [one["check"] for one in data["findings"]] == list(LOCAL)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("subject", 2, "'subject' is not CHECK=\"WHY\", such as size=\"it is only sent to ourselves\""),
        ("", 2, "'' is not CHECK=\"WHY\""),
        ("subject=", 1, 'digest: override: give a reason, such as subject="why"'),
        ("subject=  ", 1, 'digest: override: give a reason, such as subject="why"'),
        ("=why", 1, "digest: override: no check is called ''"),
        ("subjct=why", 1, "digest: override: no check is called 'subjct'; did you mean 'subject'?"),
    ],
)  # fmt: skip
def test_a_reason_of_a_wrong_shape_is_refused(blocked: Run, given: str, code: int, said: str) -> None:
    ran = blocked("approve", "1", "--override", given, code=code)
    assert said in ran.err
    assert ran.out == ""
    assert blocked("show", "1", "--json").data["state"] == "draft"


def test_what_was_looked_at_is_approved_and_nothing_else(drafted: Run) -> None:
    told = re.search(r"content ([0-9a-f]{12})$", drafted("check", "1").out, re.MULTILINE)
    assert told
    assert f"  Content:    {told[1]}, " in drafted("show", "1").out
    drafted("edit", "1", "--intro", "Something else.")
    ran = drafted("approve", "1", "--content", told[1], code=1)
    assert ran.err.startswith("digest: issue 1 has changed since you looked at it: its content is ")
    assert f", not {told[1]}; look again with `digest check 1`" in ran.err
    whole = drafted("check", "1", "--json").data["content_hash"]
    assert drafted("approve", "1", "--content", whole, "--json").data["content_hash"] == whole


# What was made smaller -----------------------------------------------------------------------------------------------


def test_what_was_made_smaller_to_fit_is_said(sample: Run) -> None:
    full = ("--set", "full_comparisons=20")
    said = sample("draft", *full).out.splitlines()[2]
    assert said.startswith("  Made smaller so that the mail has at most 90 KB: ")
    assert said in sample("show", "1", *full).out.splitlines()
    moved = sample("check", "1", "--json", *full).data["moved"]
    counts = Counter((move["before"], move["after"]) for move in moved)
    assert counts["full", "brief"] > 0
    told = re.findall(r"(\d+) from (full|brief) to (brief|link)", said)
    assert {(before, after): int(count) for count, before, after in told} == counts
    forms = {one["slug"]: one["form"] for one in sample("show", "1", "--json", *full).data["comparisons"]}
    assert {move["slug"]: move["after"] for move in moved}.items() <= forms.items()
    assert re.search(r"^[✓!] size ", sample("check", "1", *full).out, re.MULTILINE)


def test_where_all_of_it_fits_nothing_is_said(sample: Run) -> None:
    assert "Made smaller" not in sample("draft").out + sample("show", "1").out
    assert sample("check", "1", "--json").data["moved"] == []


# Letters -------------------------------------------------------------------------------------------------------------


def test_the_letters_are_written_to_look_at(digest: Run) -> None:
    out = digest("letters", "--out", "new/letters").out
    assert sorted(path.name for path in Path("new/letters").iterdir()) == [
        f"{name}.{kind}" for name in LETTERS for kind in ("html", "mjml", "txt")
    ]
    lines = out.splitlines()
    assert sorted(line.split("  ")[0] for line in lines) == [f"new/letters/{name}.html" for name in LETTERS]
    assert all(line.split("  ", 1)[1] for line in lines)
    assert not Path("digest.db").exists()


def test_the_letters_in_json(digest: Run) -> None:
    files = digest("letters", "--out", "letters", "--json").data["files"]
    assert sorted(files) == [f"{name}.{kind}" for name in LETTERS for kind in ("html", "mjml", "txt")]
    assert {name: Path(one["path"]).stat().st_size for name, one in files.items()} == {
        name: one["bytes"] for name, one in files.items()
    }


def test_letters_need_a_folder(digest: Run) -> None:
    assert "Missing option '--out'" in digest("letters", code=2).err
    Path("taken").touch()
    assert digest("letters", "--out", "taken/x", code=1).err == "digest: taken/x: Not a directory\n"


# Templates of one's own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("masthead.mjml", "{# ours #}\n{{ nonsense }}\n", "masthead.mjml:2: 'nonsense' is undefined"),
        ("masthead.mjml", "\n\n{% if %}\n", "masthead.mjml:3: Expected an expression"),
        ("masthead.mjml", "{{ 1 / 0 }}\n", "masthead.mjml:1: division by zero"),
        ("masthead.mjml", "{{ 'x' | shout }}\n", "masthead.mjml:1: No filter named 'shout'"),
        ("footer.txt", "Bye\n{{ nonsense }}\n", "footer.txt:2: 'nonsense' is undefined"),
        ("style.css", "{{ nonsense }}\n", "style.css:1: 'nonsense' is undefined"),
    ],
)
@pytest.mark.parametrize("command", ["check 1", "show 1", "approve 1", "render 1 --out there"])
def test_an_error_in_it_is_one_line_with_its_file_and_line(
    drafted: Run, command: str, name: str, text: str, said: str
) -> None:
    own = own_template(name, text)
    ran = drafted(*command.split(), *own.option, code=1)
    assert ran.out == ""
    assert ran.err.startswith(f"digest: {own.folder}/{said}")
    assert ran.err.count("\n") == 1


def test_a_tag_that_is_not_closed_is_told_with_its_place(drafted: Run) -> None:
    own = own_template("masthead.mjml", "\n<mj-section>\n")
    ran = drafted("check", "1", *own.option, code=1)
    assert f"{own.folder}/masthead.mjml:2 opens" in ran.err
    assert ran.err.count("\n") == 1


def test_an_error_in_a_letters_template_is_one_line_too(digest: Run) -> None:
    own = own_template("letter.mjml", "\n{{ nonsense }}\n")
    ran = digest("letters", "--out", "letters", *own.option, code=1)
    assert ran.err == f"digest: {own.folder}/letter.mjml:2: 'nonsense' is undefined\n"


def test_an_element_mjml_does_not_know_is_found_in_ones_own_file(drafted: Run) -> None:
    own = own_template("masthead.mjml", "\n<mj-sectoin></mj-sectoin>\n")
    found = drafted("check", "1", "--json", *own.option, code=1).data["findings"]
    (unknown,) = [one for one in found if "mj-sectoin" in one["what"]]
    assert (unknown["check"], unknown["level"], unknown["where"]) == ("mjml", "block", f"{own.folder}/masthead.mjml:2")


def test_a_folder_that_is_not_there_is_told(drafted: Run) -> None:
    assert "templates: there is no folder " in drafted("check", "1", "--set", "templates=none", code=1).err


def test_check_agrees_with_approve_on_a_draft_that_was_overridden_before(drafted: Run) -> None:
    drafted("edit", "1", "--subject", PLACEHOLDER)
    drafted("approve", "1", "--override", "subject=meant")
    drafted("edit", "1", "--intro", "Another.")
    ran = drafted("check", "1", "--json", code=1)
    assert (ran.data["overrides"], ran.data["blocked"]) == ([], True)
    drafted("approve", "1", code=1)


@pytest.mark.parametrize("given", ["", "7", "zzzzzzzz"])
def test_a_hash_that_could_not_tell_two_contents_apart_is_refused(drafted: Run, given: str) -> None:
    assert "no content hash" in drafted("approve", "1", "--content", given, code=1).err


def test_an_approved_issue_is_given_another_time_only_if_it_is_what_was_looked_at(drafted: Run) -> None:
    known = drafted("approve", "1", "--json").data["content_hash"]
    assert "has changed since" in drafted("approve", "1", "--at", "2126-01-01", "--content", "0" * 12, code=1).err
    drafted("approve", "1", "--at", "2126-01-01", "--content", known[:12].upper())


def test_an_override_of_what_does_not_block_is_said_to_be_needless(drafted: Run) -> None:
    assert "nothing to override: headings" in drafted("approve", "1", "--override", "headings=why not").err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n{% include 'masthead.mjml' %}\n", "includes itself"),
        ("\n{{ [].pop() }}\n", "masthead.mjml:2"),
        ("\n{{ {}.pop('x') }}\n", "masthead.mjml:2"),
        ("\n{% include 'nope.mjml' %}\n", "masthead.mjml:2"),
        (b"\n\xff", "masthead.mjml"),
    ],
)
def test_whatever_is_wrong_with_a_template_of_ones_own_is_one_line(drafted: Run, text: str | bytes, said: str) -> None:
    folder = Path("own")
    folder.mkdir()
    (folder / "masthead.mjml").write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = drafted("check", "1", "--set", f"templates={folder}", code=1)
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_bare_ampersand_is_told_with_its_own_file(drafted: Run) -> None:
    folder = Path("own")
    folder.mkdir()
    (folder / "masthead.mjml").write_text("\n&\n")
    assert "where: own/masthead.mjml:1" in drafted("check", "1", "--set", "templates=own", code=1).out


def test_an_unknown_place_blocks_and_no_command_falls_over_it(drafted: Run) -> None:
    folder = Path("own")
    folder.mkdir()
    (folder / "masthead.mjml").write_text(
        "<mj-section><mj-column><mj-text>Hi [[digest:first_name]]</mj-text></mj-column></mj-section>"
    )
    own = ("--set", f"templates={folder}")
    findings = drafted("check", "1", "--json", "--network", *own, code=1).data["findings"]
    (found,) = [finding for finding in findings if finding["check"] == "places"]
    assert (found["level"], found["where"]) == ("block", "HTML")
    assert "[[digest:first_name]]" in found["what"]
    for command in (("render", "1", "--out", "look"), ("show", "1", "--text")):
        assert drafted(*command, *own, code=1).err.startswith("digest: there is no value for [[digest:first_name]]")


def test_a_test_of_an_issue_says_so_and_for_whom(drafted: Run) -> None:
    drafted("render", "1", "--out", "test", "--test-for", "editor@example.com")
    mail = message_from_bytes(Path("test/issue.eml").read_bytes(), policy=policy.default)
    assert mail["To"] == "editor@example.com"
    assert mail["Subject"].startswith("Test: ")
    for file in ("issue.html", "issue.txt"):
        assert "for editor@example.com" in Path("test", file).read_text()


def test_status_shows_the_words_that_show_shows(drafted: Run) -> None:
    with closing(sqlite3.connect("digest.db")) as store, store:
        store.execute("UPDATE tools SET name = 'Renamed', name_key = 'renamed' WHERE slug = 'ada'")
    subject = drafted("show", "1", "--json").data["subject"]
    assert "Renamed" in subject
    assert drafted("status", "--json").data["issues"][0]["subject"] == subject


def test_a_frozen_issue_is_shown_whatever_the_templates_are_by_now(drafted: Run) -> None:
    text = drafted("show", "1", "--text").out
    drafted("approve", "1")
    folder = Path("own")
    folder.mkdir()
    (folder / "mail.mjml").write_text("{% nonsense %}")
    own = ("--set", f"templates={folder}")
    assert drafted("show", "1", "--text", *own).out == text
    assert drafted("check", "1", *own).out.startswith("– mjml")
