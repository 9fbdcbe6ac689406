"""`digest subscribers import`, `export`, `forget` and `show`, as a person uses them."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run, Terminal

digest = test_command_line.digest

KIT = (
    "first_name,email,status,created_at,tags\n"
    "Ada,ada@example.org,confirmed,2023-01-27T11:43:55Z,a\n"
    ",bea@example.org,cancelled,2023-01-27T11:43:55Z,\n"
    ",cid,confirmed,2023-01-27T11:43:55Z,\n"
)
MAILCHIMP = "Email Address,First Name,Last Name,OPTIN_TIME,{}LEID\n{},,,2018-02-12 10:54:27,{}1\n"


def zipped(file: str, **members: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", text)


def mailchimp_zip(file: str) -> None:
    zipped(
        file,
        subscribed_members_export_1=MAILCHIMP.format("", "ada@example.org", ""),
        unsubscribed_members_export_1=MAILCHIMP.format("UNSUB_TIME,", "bea@example.org", "2019-01-01 00:00:00,"),
        cleaned_members_export_1=MAILCHIMP.format("CLEAN_TIME,", "cid@example.org", "2019-01-01 00:00:00,"),
    )


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(answer)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)


def known(digest: Run) -> dict[str, tuple[str, str | None]]:
    return {one["email"]: (one["state"], one["suppressed"]) for one in digest("subscribers", "list", "--json").data}


# Import --------------------------------------------------------------------------------------------------------------


def test_it_says_whose_export_it_is_what_is_used_and_what_became_of_the_rows(digest: Run) -> None:
    Path("kit.csv").write_text(KIT)
    ran = digest("subscribers", "import", "kit.csv", code=3)
    assert ran.out == (
        "kit.csv is an export of Kit.\n"
        "Columns that are used: first_name, email, status (state), created_at.\n"
        "Columns that are not: tags.\n"
        "2 added, 0 updated, 0 unchanged, 1 bad, 0 duplicates, 0 kept out\n"
        "Of those added: 1 active, 1 unsubscribed.\n"
        "Addresses that are now on the list of those that must not be mailed: 1.\n"
    )
    assert "kit.csv:4: email: 'cid' is not an email address" in ran.err
    assert known(digest) == {"ada@example.org": ("active", None), "bea@example.org": ("unsubscribed", "unsubscribed")}


@pytest.mark.parametrize(("answer", "there"), [(b"n\n", []), (b"y\n", ["ada@example.org", "bea@example.org"])])
def test_at_a_terminal_it_says_first_what_would_happen_and_asks(
    digest: Run, monkeypatch: pytest.MonkeyPatch, answer: bytes, there: list[str]
) -> None:
    Path("kit.csv").write_text(KIT)
    at_a_terminal(monkeypatch, answer)
    ran = digest("subscribers", "import", "kit.csv", code=3 if there else 130)
    assert "2 would be added, 0 would be updated, 0 unchanged, 1 bad" in ran.out
    assert "Addresses that would be on the list of those that must not be mailed: 1." in ran.out
    assert "Import them so?" in ran.err
    assert ("2 added, 0 updated." in ran.out) == bool(there)
    assert list(known(digest)) == there


@pytest.mark.parametrize("option", ["--yes", "--dry-run", "--json"])
def test_it_does_not_ask_where_it_was_told_not_to(digest: Run, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    Path("kit.csv").write_text(KIT)
    at_a_terminal(monkeypatch, b"")
    ran = digest("subscribers", "import", "kit.csv", option, code=3)
    assert "Import them so?" not in ran.err
    assert Path("digest.db").exists() == (option != "--dry-run")
    if option == "--json":
        assert ran.data["service"] == "kit"
        assert ran.data["counts"] == {"rejected": 1, "duplicates": 0, "kept_out": 0, "unused_names": 0}
        assert [(bad["file"], bad["line"], bad["field"]) for bad in ran.data["rejected"]] == [("kit.csv", 4, "email")]


def test_several_files_and_a_zip_of_them_are_one_import(digest: Run) -> None:
    mailchimp_zip("export.zip")
    Path("more.csv").write_text("email\ndee@example.org\nbea@example.org\n")
    ran = digest("subscribers", "import", "export.zip", "more.csv")
    assert "4 added" in ran.out
    assert (
        "digest: more.csv:3: bea@example.org stands in export.zip/unsubscribed_members_export_1.csv:2 already\n"
        in ran.err
    )
    assert known(digest) == {
        "ada@example.org": ("active", None),
        "bea@example.org": ("unsubscribed", "unsubscribed"),
        "cid@example.org": ("active", "hard bounce"),
        "dee@example.org": ("active", None),
    }


def test_a_table_of_a_zip_that_is_no_list_of_readers_brings_nobody_in(digest: Run) -> None:
    zipped(
        "substack.zip",
        email_list="email,active_subscription,email_disabled,created_at\nada@example.org,false,false,2020-01-01\n",
        posts="post_id,title\n1,One\n",
        posts__1__opens="post_id,timestamp,email\n1,2020-01-01,eve@example.org\n",
    )
    ran = digest("subscribers", "import", "substack.zip")
    assert list(known(digest)) == ["ada@example.org"]
    assert "substack.zip/posts.csv is no list of readers" in ran.err
    assert "substack.zip/posts/1/opens.csv is no list of readers" in ran.err
    zipped("none.zip", posts="post_id\n1\n", more="email\neve@example.org\n")
    assert "none.zip: has no list of readers in it" in digest("subscribers", "import", "none.zip", code=1).err
    Path("broken.zip").write_bytes(Path("none.zip").read_bytes()[:60])
    assert "broken.zip: is a ZIP that cannot be read" in digest("subscribers", "import", "broken.zip", code=1).err
    assert list(known(digest)) == ["ada@example.org"]


def test_one_bad_file_among_several_leaves_all_out(digest: Run) -> None:
    Path("good.csv").write_text("email\nada@example.org\n")
    Path("bad.csv").write_text("name\nAda\n")
    assert (
        "bad.csv:1: the first line must name the columns"
        in digest("subscribers", "import", "good.csv", "bad.csv", code=1).err
    )
    assert known(digest) == {}


def test_a_service_is_named_where_the_header_is_not_enough(digest: Run) -> None:
    Path("list.csv").write_text("email,status\nada@example.org,cancelled\n")
    assert "list.csv:2: state: 'cancelled'" in digest("subscribers", "import", "list.csv", code=3).err
    digest("subscribers", "import", "--from", "kit", "list.csv")
    assert known(digest) == {"ada@example.org": ("unsubscribed", "unsubscribed")}


# Export --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def there(digest: Run) -> Run:
    """Three readers of a Mailchimp list."""
    mailchimp_zip("export.zip")
    digest("subscribers", "import", "export.zip")
    return digest


def test_it_writes_the_shape_of_a_service_with_those_who_would_be_mailed(there: Run) -> None:
    assert there("subscribers", "export", "--as", "kit").out == (
        "first_name,last_name,email,status,created_at\n,,ada@example.org,active,2018-02-12T10:54:27.000Z\n"
    )
    assert there("subscribers", "export", "--as", "kit", "--everyone").out.count("@example.org") == 3
    there("subscribers", "export", "--as", "ghost", "--out", "ghost.csv")
    assert Path("ghost.csv").read_text().count("@example.org") == 1


def test_a_mailchimp_zip_comes_back_as_it_was(there: Run) -> None:
    before = known(there)
    assert there("subscribers", "export", "--as", "mailchimp", "--everyone", "--out", "x.zip", "--json").data == {
        "file": "x.zip",
        "subscribers": 3,
    }
    there("--db", "other.db", "subscribers", "import", "x.zip")
    Path("other.db").replace("digest.db")
    assert known(there) == before
    wrong = there("subscribers", "export", "--as", "mailchimp", "--everyone", code=2)
    assert "it takes --out FILE.zip" in wrong.err
    assert "--everyone goes with --as" in there("subscribers", "export", "--everyone", code=2).err


# One reader ----------------------------------------------------------------------------------------------------------


def test_it_shows_a_reader_with_where_they_came_from(there: Run) -> None:
    ran = there("subscribers", "show", "ADA@example.org")
    assert "state:              active\n" in ran.out
    assert "came:               2018-02-12, import: mailchimp\n" in ran.out
    assert "imported, import: mailchimp, export.zip/subscribed_members_export_1.csv" in ran.out
    assert there("subscribers", "show", "cid@example.org").out.count("hard bounce (by import: mailchimp)") == 1
    assert there("subscribers", "show", "ada@example.org", "--json").data["subscription"]["state"] == "active"
    assert "no subscriber has the address" in there("subscribers", "show", "eve@example.org", code=1).err


def test_who_is_forgotten_is_shown_nowhere_and_no_import_brings_them_back(
    there: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, b"n\n")
    there("subscribers", "forget", "ada@example.org", code=130)
    assert "ada@example.org" in known(there)
    assert there("subscribers", "forget", "ada@example.org", "--yes").out.startswith("ada@example.org is forgotten.")
    assert "no subscriber has the address" in there("subscribers", "show", "ada@example.org", code=1).err
    assert "ada@example.org stays out (forgotten)" in there("subscribers", "import", "export.zip", "--yes").err
    assert "ada@example.org" not in there("subscribers", "export").out
    assert b"ada@example.org" not in Path("digest.db").read_bytes()


def test_an_editor_who_removes_a_reader_is_in_the_record(there: Run) -> None:
    assert there("subscribers", "remove", "ada@example.org").out == "ada@example.org is unsubscribed.\n"
    kept = there("subscribers", "show", "ada@example.org", "--json").data
    assert [departure["way"] for departure in kept["departures"]] == ["editor"]
