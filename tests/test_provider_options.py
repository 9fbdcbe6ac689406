"""The options of providers: how they are given, which are wrong or missing, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from digest import providers
from digest.errors import SettingsError
from digest.providers.options import Options
from digest.providers.outbox import Options as OutboxOptions
from digest.providers.resend import Options as ResendOptions
from digest.settings import Settings
from digest.sources import Loaded, load

KEY = "re_a_key_that_nobody_may_see"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def given(
    text: str = "", environment: dict[str, str] | None = None, command_line: dict[str, str] | None = None
) -> Loaded:
    Path("digest.toml").write_text(text, encoding="utf-8")
    return load(command_line, environment=environment or {})


def problem(
    text: str = "", environment: dict[str, str] | None = None, command_line: dict[str, str] | None = None
) -> str:
    with pytest.raises(SettingsError) as error:
        given(text, environment, command_line)
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)
    return str(error.value)


def resend(settings: Settings) -> ResendOptions:
    options = settings.options_for("resend")
    assert isinstance(options, ResendOptions)
    return options


def shown(loaded: Loaded) -> dict[str, tuple[str, str]]:
    """Give the options that `digest settings` shows, each with its value and source."""
    return {one.name: (one.value, one.source) for one in loaded.explain() if "." in one.name}


# How they are given --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sources",
    [
        {"text": f"[resend]\nkey = '{KEY}'\ncalls_a_second = 2.5"},
        {"text": f"resend.key = '{KEY}'\nresend.calls_a_second = 2.5"},
        {"environment": {"DIGEST_RESEND_KEY": KEY, "DIGEST_RESEND_CALLS_A_SECOND": "2.5"}},
        {"command_line": {"resend.key": KEY, "resend.calls_a_second": "2.5"}},
    ],
)
def test_options_are_given_in_each_source(sources: dict[str, Any]) -> None:
    options = resend(given(**sources).settings)
    assert options.key.get_secret_value() == KEY
    assert options.calls_a_second == 2.5
    assert options.url == "https://api.resend.com"


def test_the_later_source_wins_option_by_option() -> None:
    loaded = given(
        "[resend]\nkey = 're_file'\nconnections = 2\ntimeout_s = 3",
        {"DIGEST_RESEND_KEY": "re_environment", "DIGEST_RESEND_CONNECTIONS": "5"},
        {"resend.key": KEY},
    )
    options = resend(loaded.settings)
    assert (options.key.get_secret_value(), options.connections, options.timeout_s) == (KEY, 5, 3)
    assert shown(loaded)["resend.key"] == ("********", "command line")
    assert shown(loaded)["resend.connections"] == ("5", "environment")
    assert shown(loaded)["resend.timeout_s"] == ("3", "digest.toml")


def test_a_secret_may_be_in_a_file_of_its_own() -> None:
    Path("key").write_text(f"{KEY}\n")
    for loaded in (
        given("[resend]\nkey_file = 'key'"),
        given(environment={"DIGEST_RESEND_KEY_FILE": "key"}),
        given(command_line={"resend.key_file": "key"}),
    ):
        assert resend(loaded.settings).key.get_secret_value() == KEY
        assert shown(loaded)["resend.key"][0] == "********"
    assert problem(environment={"DIGEST_RESEND_KEY_FILE": "no"}) == (
        "DIGEST_RESEND_KEY_FILE: no cannot be read: No such file or directory"
    )
    assert problem(f"[resend]\nkey = '{KEY}'\nkey_file = 'key'") == (
        "digest.toml: [resend] key_file: digest.toml: [resend] key says the same; keep one of them"
    )


def test_the_outbox_has_options_beside_its_folder() -> None:
    settings = given(command_line={"outbox": "box", "outbox.connections": "3", "db": "there/digest.db"}).settings
    options = settings.options_for("outbox")
    assert isinstance(options, OutboxOptions)
    assert (options.folder, options.connections) == (Path("there/box"), 3)
    settings = given("[outbox]\nfolder = 'mails'\nconnections = 2").settings
    assert (settings.outbox, settings.options_for("outbox").connections) == (Path("mails"), 2)
    assert given(environment={"DIGEST_OUTBOX_FOLDER": "mails"}).settings.outbox == Path("mails")
    assert "says the same" in problem(environment={"DIGEST_OUTBOX": "a", "DIGEST_OUTBOX_FOLDER": "b"})
    with pytest.raises(ValueError, match="the setting `outbox` names it"):
        Settings(providers={"outbox": {"folder": "mails"}})


def test_a_setting_wins_over_an_option_of_the_same_name() -> None:
    assert given(environment={"DIGEST_OUTBOX": "box"}).settings.outbox == Path("box")


def test_settings_made_in_code_take_options_too() -> None:
    settings = Settings(provider="resend", providers={"resend": {"key": KEY, "connections": "2"}})
    assert resend(settings).connections == 2
    assert KEY not in repr(settings) + str(settings.model_dump())
    assert resend(Settings(**settings.model_dump())).key.get_secret_value() == KEY


# What is wrong with them ---------------------------------------------------------------------------------------------


def test_an_unknown_option_is_told_with_its_source_and_the_nearest_right_one() -> None:
    hint = "resend has no option 'kye'; did you mean 'key'?"
    assert problem(f"[resend]\nkye = '{KEY}'") == f"digest.toml: [resend] kye: {hint}"
    assert problem(environment={"DIGEST_RESEND_KYE": KEY}) == f"DIGEST_RESEND_KYE: {hint}"
    assert problem(command_line={"resend.kye": KEY}) == f"--set resend.kye: {hint}"
    assert problem("[resend]\nquux = 1") == (
        "digest.toml: [resend] quux: resend has no option 'quux'; `digest providers resend` lists them all"
    )
    with pytest.raises(ValueError, match="resend has no option 'kye'; did you mean 'key'"):
        Settings(providers={"resend": {"kye": 1}})


def test_an_unknown_provider_is_told_with_the_nearest_right_one() -> None:
    assert problem("[resnd]\nkey = 'x'") == "digest.toml: resnd: no setting is called 'resnd'; did you mean 'resend'?"
    said = problem(command_line={"resnd.key": "x"})
    assert said.startswith("--set resnd.key: no provider is called 'resnd'; there are ")
    assert said.endswith("; did you mean 'resend'?")
    assert problem(environment={"DIGEST_RESND_KEY": KEY}) == (
        "DIGEST_RESND_KEY: no setting is called 'resnd_key'; did you mean 'resend_key'?"
    )


def test_a_setting_that_slipped_into_a_table_is_told() -> None:
    assert problem("[resend]\nkey = 'x'\nbatch_size = 7") == (
        "digest.toml: [resend] batch_size: batch_size is a setting; write it above the first [table] of the file"
    )


@pytest.mark.parametrize("text", ["resend = 'x'", "resend = 1"])
def test_a_provider_is_no_setting(text: str) -> None:
    assert problem(text).startswith("digest.toml: resend: resend is a provider; set its options, such as resend.")


def test_providers_is_no_name_to_set() -> None:
    assert "no setting is called 'providers'" in problem(f"[providers.resend]\nkey = '{KEY}'")


def test_a_strangers_variable_is_only_warned_of() -> None:
    loaded = given(environment={"DIGEST_RESEND_SERVICE_HOST": "10.0.0.1", "DIGEST_RESEND": "x"})
    assert loaded.warnings == (
        "DIGEST_RESEND_SERVICE_HOST is ignored: resend has no option 'service_host'",
        "DIGEST_RESEND is ignored: resend is a provider",
    )
    assert loaded.settings.providers == {}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("connections", "many", "valid integer"),
        ("connections", "0", "greater than or equal to 1"),
        ("timeout_s", "0", "greater than 0"),
        ("url", "api.resend.com", "write it like https://api.example.com"),
    ],
)
def test_a_wrong_value_is_told_even_of_a_provider_that_is_not_used(option: str, value: str, words: str) -> None:
    for said, spelling in (
        (problem(f"[resend]\n{option} = '{value}'"), f"digest.toml: [resend] {option}: "),
        (
            problem(environment={f"DIGEST_RESEND_{option.upper()}": value}),
            f"DIGEST_RESEND_{option.upper()}: ",
        ),
        (problem(command_line={f"resend.{option}": value}), f"--set resend.{option}: "),
    ):
        assert said.startswith(spelling)
        assert words in said


def test_a_wrong_secret_is_not_repeated() -> None:
    said = problem("[resend]\nkey = 4711")
    assert said == "digest.toml: [resend] key: Input should be a valid string"


# What is missing -----------------------------------------------------------------------------------------------------


def test_what_is_missing_is_told_when_the_provider_is_wanted() -> None:
    for settings in (
        given("provider = 'resend'").settings,
        given("provider = 'resend'\n[resend]\nconnections = 2").settings,
        given("provider = 'resend'", {"DIGEST_RESEND_KEY": ""}).settings,
    ):
        with pytest.raises(SettingsError) as error:
            settings.options_for("resend")
        assert str(error.value) == ("resend.key is missing; set [resend] key = … in digest.toml, or DIGEST_RESEND_KEY")


def test_what_is_missing_is_shown_of_the_providers_in_use() -> None:
    assert shown(given("provider = 'resend'"))["resend.key"] == ("", "missing")
    assert shown(given("failover = 'resend'"))["resend.key"] == ("", "missing")
    assert shown(given("[resend]\nconnections = 2"))["resend.connections"] == ("2", "digest.toml")
    assert "resend.key" not in shown(given("[resend]\nconnections = 2"))


def test_the_options_of_the_provider_in_use_are_shown_with_their_defaults_and_meanings() -> None:
    loaded = given("provider = 'resend'")
    assert shown(loaded)["resend.url"] == ("https://api.resend.com", "default")
    assert not any(name.startswith("outbox.") for name in shown(loaded))
    assert all(one.meaning for one in loaded.explain())


# Options as no provider of ours has them, yet -------------------------------------------------------------------------


class Odd(Options):
    """What a provider may think of."""

    user: str = Field(description="Who.")
    password: SecretStr = Field(description="The secret.")
    mode: Literal["plain", "tls"] = Field("tls", description="How.")
    more: SecretStr | None = Field(None, description="Another.")
    on: bool = Field(True, description="Whether.")
    file: FilePath | None = Field(None, description="Where.")

    @field_validator("user")
    @classmethod
    def _chatty(cls, value: str) -> str:
        if not value.isascii():
            raise ValueError(f"{value!r} is not ASCII")
        return value

    @model_validator(mode="after")
    def _together(self) -> Odd:
        if self.mode == "plain" and self.more:
            raise ValueError(f"more ({self.more.get_secret_value()}) needs mode = tls")
        return self


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> None:
    names, options_of = providers.names(), providers.options_of
    monkeypatch.setattr(providers, "names", lambda: (*names, "odd"))
    monkeypatch.setattr(providers, "options_of", lambda name: Odd if name == "odd" else options_of(name))


@pytest.mark.usefixtures("odd")
def test_several_missing_ones_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        given("provider = 'odd'").settings.options_for("odd")
    assert str(error.value) == (
        "odd.user and odd.password are missing; set [odd] user = …, password = … in digest.toml,"
        " or DIGEST_ODD_USER and DIGEST_ODD_PASSWORD"
    )


@pytest.mark.usefixtures("odd")
def test_options_that_do_not_go_together_are_told_without_their_secrets() -> None:
    settings = given(f"[odd]\nuser = 'me'\npassword = 'secret'\nmode = 'plain'\nmore = '{KEY}'").settings
    with pytest.raises(SettingsError) as error:
        settings.options_for("odd")
    assert str(error.value) == "odd: more (********) needs mode = tls"


@pytest.mark.usefixtures("odd")
def test_a_file_that_is_not_there_is_told_when_the_provider_is_wanted() -> None:
    settings = given("[odd]\nuser = 'me'\npassword = 'secret'\nfile = 'key.pem'").settings
    with pytest.raises(SettingsError, match=r"^odd\.file: there is no file key\.pem$"):
        settings.options_for("odd")
    Path("key.pem").touch()
    assert settings.options_for("odd")


@pytest.mark.usefixtures("odd")
def test_a_choice_is_told_with_the_nearest() -> None:
    assert problem("[odd]\nmode = 'plian'") == (
        "digest.toml: [odd] mode: Input should be 'plain' or 'tls'; did you mean 'plain'?"
    )


@pytest.mark.usefixtures("odd")
def test_a_secret_that_may_be_missing_is_masked_too() -> None:
    loaded = given(f"provider = 'odd'\n[odd]\nmore = '{KEY}'\non = false")
    assert shown(loaded)["odd.more"] == ("********", "digest.toml")
    assert shown(loaded)["odd.on"] == ("false", "digest.toml")
    assert shown(given("provider = 'odd'"))["odd.more"] == ("", "default")
    assert shown(given("provider = 'odd'"))["odd.on"] == ("true", "default")
    assert KEY not in repr(loaded) + repr(loaded.explain())
