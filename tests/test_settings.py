"""Settings: where they come from, which wins, and what is said of a wrong one."""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest.errors import SettingsError
from digest.settings import SETTINGS
from digest.sources import Loaded, load

SECRET = "correct horse battery staple, twice over"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `digest.toml` lies about but the test's own."""
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "digest.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def shown(loaded: Loaded, name: str) -> tuple[str, str]:
    """Give the value and the source that `digest settings` shows."""
    return next((setting.value, setting.source) for setting in loaded.explain() if setting.name == name)


def problem(
    text: str = "", environment: dict[str, str] | None = None, command_line: dict[str, str] | None = None
) -> str:
    """Give what is said of wrong settings."""
    write(text)
    with pytest.raises(SettingsError) as error:
        load(command_line, environment=environment or {})
    message = str(error.value)
    assert "\n" not in message
    return message


# Where they come from ------------------------------------------------------------------------------------------------


def test_everything_has_a_default_and_a_meaning() -> None:
    loaded = load(environment={})
    plain = [setting.name for setting in loaded.explain() if not setting.name.startswith("outbox.")]
    assert plain == list(SETTINGS)
    assert all(setting.source == "default" and setting.meaning for setting in loaded.explain())
    assert not loaded.warnings


def test_the_environment_wins_over_the_file_and_the_command_line_over_both() -> None:
    write("batch_size = 1\nfull_comparisons = 2\nlanguage = 'de'\n")
    loaded = load(
        {"batch_size": "3"}, environment={"DIGEST_BATCH_SIZE": "2", "DIGEST_FULL_COMPARISONS": "4", "PATH": "/bin"}
    )
    assert shown(loaded, "batch_size") == ("3", "command line")
    assert shown(loaded, "full_comparisons") == ("4", "environment")
    assert shown(loaded, "language") == ("de", "digest.toml")
    assert shown(loaded, "brief_comparisons") == ("8", "default")


def test_the_process_environment_is_read_where_no_other_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_LANGUAGE", "fr")
    assert load().settings.language == "fr"


def test_a_named_file_is_read_instead_of_the_usual_one() -> None:
    write("language = 'de'")
    other = write("language = 'nl'", "other.toml")
    assert shown(load(file=other, environment={}), "language") == ("nl", "other.toml")


def test_a_file_with_the_mark_of_a_windows_editor_is_read() -> None:
    Path("digest.toml").write_bytes(b"\xef\xbb\xbflanguage = 'de'\r\n")
    assert load(environment={}).settings.language == "de"


def test_what_is_made_of_other_settings() -> None:
    settings = load({"base_url": "https://Verdicts.example.com:8443/weekly/"}, environment={}).settings
    assert settings.base_url == "https://Verdicts.example.com:8443/weekly"
    assert settings.host == "verdicts.example.com"
    assert load({"timezone": "Europe/Berlin"}, environment={}).settings.zone == ZoneInfo("Europe/Berlin")


def test_words_become_one_line_and_domains_ascii() -> None:
    settings = load(
        {"newsletter_name": "Weekly\r\n  Verdicts", "sender_address": "news@bücher.example.org"}, environment={}
    ).settings
    assert settings.newsletter_name == "Weekly Verdicts"
    assert settings.sender_address == "news@xn--bcher-kva.example.org"


@pytest.mark.parametrize("name", ["reply_to", "unsubscribe_mailto", "sender_name", "postal_address", "list_id"])
def test_some_settings_may_be_empty(name: str) -> None:
    assert shown(load({name: ""}, environment={}), name) == ("", "command line")


# Secrets -------------------------------------------------------------------------------------------------------------


def test_a_secret_is_never_shown() -> None:
    loaded = load({"secret_key": SECRET}, environment={})
    assert loaded.settings.secret_key is not None
    assert loaded.settings.secret_key.get_secret_value() == SECRET
    assert shown(loaded, "secret_key") == ("********", "command line")
    for text in (repr(loaded), str(loaded.settings), repr(loaded.explain())):
        assert SECRET not in text
    assert shown(load(environment={}), "secret_key") == ("", "default")


def test_a_secret_has_32_characters_or_more() -> None:
    assert load({"secret_key": "x" * 32}, environment={}).settings.secret_key is not None
    assert "fewer than 32 characters" in problem(command_line={"secret_key": "x" * 31})


def test_a_wrong_secret_is_not_repeated() -> None:
    assert problem(command_line={"secret_key": "hunter2"}) == (
        "--set secret_key: it has fewer than 32 characters; `openssl rand -hex 32` makes a good one"
    )
    assert "4711" not in problem("secret_key = 4711")


def test_a_secret_may_be_in_a_file_of_its_own() -> None:
    write(SECRET + "\n", "key")
    for loaded in (
        load({"secret_key_file": "key"}, environment={}),
        load(environment={"DIGEST_SECRET_KEY_FILE": "key"}),
        load(file=write("secret_key_file = 'key'"), environment={}),
    ):
        assert loaded.settings.secret_key is not None
        assert loaded.settings.secret_key.get_secret_value() == SECRET
        assert shown(loaded, "secret_key")[0] == "********"
        assert SECRET not in repr(loaded)


def test_a_secret_of_a_later_source_wins_over_a_file_of_an_earlier_one() -> None:
    write(SECRET, "key")
    settings = load({"secret_key": "x" * 32}, environment={"DIGEST_SECRET_KEY_FILE": "key"}).settings
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == "x" * 32


def test_a_secrets_file_that_cannot_be_used_is_told() -> None:
    environment = {"DIGEST_SECRET_KEY_FILE": "/run/secrets/none"}
    assert problem(environment=environment) == (
        "DIGEST_SECRET_KEY_FILE: /run/secrets/none cannot be read: No such file or directory"
    )
    Path("binary").write_bytes(b"\xff\xfe")
    assert "names no text file in UTF-8" in problem(command_line={"secret_key_file": "binary"})
    write("hunter2", "short")
    said = problem("secret_key_file = 'short'")
    assert said.startswith("digest.toml: secret_key_file: it has fewer than 32 characters")
    assert "hunter2" not in said
    both = {"DIGEST_SECRET_KEY": SECRET, "DIGEST_SECRET_KEY_FILE": "short"}
    assert problem(environment=both) == ("DIGEST_SECRET_KEY_FILE: DIGEST_SECRET_KEY says the same; keep one of them")


def test_only_a_secret_may_be_in_a_file_of_its_own() -> None:
    assert "no setting is called 'language_file'" in problem(command_line={"language_file": "key"})


# Wrong names ---------------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_told_with_its_source_and_the_nearest_right_one() -> None:
    hint = "no setting is called 'bse_url'; did you mean 'base_url'?"
    assert problem("bse_url = 'https://example.com'") == f"digest.toml: bse_url: {hint}"
    assert problem(environment={"DIGEST_BSE_URL": "x"}) == f"DIGEST_BSE_URL: {hint}"
    assert problem(command_line={"bse_url": "x"}) == f"--set bse_url: {hint}"


def test_a_name_like_no_setting_is_refused_in_the_file_and_on_the_command_line() -> None:
    hint = "no setting is called 'quux'; `digest settings` lists them all"
    assert problem("quux = 1") == f"digest.toml: quux: {hint}"
    assert problem("[quux]\na = 1") == f"digest.toml: quux: {hint}"
    assert problem(command_line={"quux": "1"}) == f"--set quux: {hint}"


@pytest.mark.parametrize(
    "name",
    ["QUUX", "PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_PROTO",
     "PORT_8000_TCP_PORT", "PORT_8000_TCP_ADDR"],
)  # fmt: skip
def test_a_strangers_variable_is_only_warned_of(name: str) -> None:
    """Kubernetes sets the longer ones for every service that is called "digest"."""
    loaded = load(environment={f"DIGEST_{name}": "tcp://10.0.0.1:8000"})
    assert loaded.warnings == (f"DIGEST_{name} is ignored: no setting is called {name.lower()!r}",)
    assert loaded.settings == load(environment={}).settings


# Wrong values --------------------------------------------------------------------------------------------------------


def test_a_wrong_value_is_told_with_its_source_in_that_sources_spelling() -> None:
    assert problem("batch_size = 0").startswith("digest.toml: batch_size: ")
    assert problem(environment={"DIGEST_BATCH_SIZE": "0"}).startswith("DIGEST_BATCH_SIZE: ")
    assert problem(command_line={"batch_size": "0"}).startswith("--set batch_size: ")
    assert problem("batch_size = 7", {"DIGEST_BATCH_SIZE": "many"}).startswith("DIGEST_BATCH_SIZE: ")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("timezone", "Europe/Berln", "no time zone is called 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("timezone", "/etc/passwd", "no time zone is called"),
        ("base_url", "verdicts.example.com", "write it like https://verdicts.example.com"),
        ("base_url", "ftp://verdicts.example.com", "write it like https://verdicts.example.com"),
        ("base_url", "https://", "write it like https://verdicts.example.com"),
        ("base_url", "https://example.com/?", "write it like https://verdicts.example.com"),
        ("base_url", "https://example.com/#top", "write it like https://verdicts.example.com"),
        ("base_url", "https://bücher.example", "write the host in ASCII (punycode), without spaces"),
        ("base_url", "https://example.com/a b", "write the host in ASCII (punycode), without spaces"),
        ("base_url", "https://example.com:99999", "Port out of range"),
        ("base_url", "https://[example.com", "Invalid IPv6 URL"),
        ("provider", "outbx", "did you mean 'outbox'?"),
        ("provider", "", "no provider is called ''; there are "),
        ("failover", "resnd", "did you mean 'resend'?"),
        ("failover", "outbox", "outbox is the provider already; name another one"),
        ("uncertain", "hld", "Input should be 'hold' or 'resend'; did you mean 'hold'?"),
        ("quiet_hours", "22-7", "write it like 22:00-07:00"),
        ("quiet_hours", "22:00-24:00", "write it like 22:00-07:00"),
        ("quiet_hours", "22:60-07:00", "write it like 22:00-07:00"),
        ("quiet_hours", "22:00-07:00-08:00", "write it like 22:00-07:00"),
        ("quiet_hours", "07:00-7:00", "that is the whole day"),
        ("batch_size", "many", "valid integer"),
        ("batch_size", "10001", "less than or equal to 10000"),
        ("full_comparisons", "0", "greater than or equal to 1"),
        ("sender_address", "verdicts.example.com", "must have an @-sign"),
        ("sender_address", "", "must have an @-sign"),
        ("sender_address", "müller@example.com", "the part before the @ must be ASCII"),
        ("reply_to", "editor@", "after the @-sign"),
        ("list_id", "weekly..example.com", "write it like weekly.example.com"),
        ("list_id", "weekly.bücher.example", "write it in ASCII"),
        ("language", "English (UK)", "write it like en, de or pt-BR"),
        ("newsletter_name", "", "at least 1 character"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: str, words: str) -> None:
    message = problem(command_line={name: value})
    assert message.startswith(f"--set {name}: ")
    assert words in message


def test_a_value_of_the_wrong_type_is_refused() -> None:
    assert problem("language = 5").startswith("digest.toml: language: ")
    assert problem("provider = ['outbox']").startswith("digest.toml: provider: ")


@hypothesis_settings(deadline=None)
@given(st.text(max_size=20))
@example("https://[")
@example("http://:80")
def test_a_base_url_is_refused_or_usable(text: str) -> None:
    try:
        url = load({"base_url": text}, environment={}).settings.base_url
    except SettingsError:
        return
    assert url.isascii()
    assert url.startswith(("http://", "https://"))
    assert not url.endswith("/")
    assert load({"base_url": url}, environment={}).settings.base_url == url


# Sending --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ("", None),
        (" ", None),
        ("22:00-07:00", (time(22), time(7))),
        (" 9:30 – 17:05 ", (time(9, 30), time(17, 5))),
        ("00:00-23:59", (time(0), time(23, 59))),
    ],
)
def test_quiet_hours_are_two_times(text: str, quiet: tuple[time, time] | None) -> None:
    assert load({"quiet_hours": text}, environment={}).settings.quiet == quiet


@pytest.mark.parametrize(
    ("provider", "failover", "mails"),
    [("outbox", "", False), ("resend", "", True), ("resend", "outbox", True), ("outbox", "resend", True)],
)
def test_every_provider_but_the_outbox_mails_people(provider: str, failover: str, mails: bool) -> None:
    settings = load({"provider": provider, "failover": failover}, environment={}).settings
    assert settings.mails_people is mails


# Files that cannot be read -------------------------------------------------------------------------------------------


def test_a_mistake_in_the_file_is_told_with_its_line() -> None:
    message = problem("language = 'en'\nbatch_size 5\n")
    assert message.startswith("digest.toml: ")
    assert "line 2" in message


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^missing\.toml: cannot be read: No such file or directory$"):
        load(file=Path("missing.toml"), environment={})
    Path("folder").mkdir()
    with pytest.raises(SettingsError, match=r"^folder: cannot be read: Is a directory$"):
        load(file=Path("folder"), environment={})
    Path("latin.toml").write_bytes("sender_name = 'Jürgen'".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^latin\.toml: is not UTF-8; save it as UTF-8$"):
        load(file=Path("latin.toml"), environment={})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("newsletter_name", "  ", "give the newsletter a name"),
        ("color_ink", "#888888", "has a contrast of 3.5; text needs 4.5"),
        ("color_ink", "grey", "write it like #2b2380"),
        ("social_links", "=https://example.com", "a link has no words"),
        ("social_links", "Feed=http://example.com", "is no https:// address"),
        ("logo_url", "logo.png", "is no https:// address"),
        ("logo_url", "https://a.example;sandbox/logo.png", "is no https:// address"),
        ("logo_url", "https://a.example'none'/logo.png", "is no https:// address"),
        ("logo_url", "https://me:secret@a.example/logo.png", "is no https:// address"),
        ("spam_filter", "http://127.0.0.1:99999", "spam_filter"),
        ("spam_filter", "yes", "write auto, off, or an address"),
        ("templates", "nowhere", "there is no folder nowhere"),
    ],
)
def test_a_wrong_look_is_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        load({name: value}, environment={})


def test_colours_on_which_no_text_could_be_read_are_refused() -> None:
    grounds = {f"color_{ground}_dark": "#000000" for ground in ("card", "page")}
    with pytest.raises(SettingsError, match="neither white nor black text can be read on it"):
        load({**grounds, "color_accent_dark": "#7a7a7a"}, environment={})


def test_links_are_one_text_on_the_command_line() -> None:
    given = "Search=https://example.com/?q=a,b=c, Feed=https://example.com/feed"
    links = load({"social_links": given}, environment={}).settings.social_links
    assert links == {"Search": "https://example.com/?q=a,b=c", "Feed": "https://example.com/feed"}
