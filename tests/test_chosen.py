"""Settings chosen in the desk: what counts of them beside what the operator sets, and what is said of the rest."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest.chosen import COLOR_SETTINGS, SECTION_OF, SECTIONS, overlay, read_file
from digest.contrast import AA, contrast
from digest.palettes import PALETTES, nearest_readable, pairs
from digest.setting_rules import COLORS
from digest.settings import SETTINGS, Settings
from digest.sources import Loaded, load
from digest.store import open_store

COLOR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
NEVER = (
    *("db", "base_url", "templates", "outbox", "secret_key", "provider", "failover", "letters_provider", "providers"),
    *("trusted_proxies", "unsubscribe_imap", "unsubscribe_imap_password", "bounce_imap", "bounce_imap_password"),
    *("spam_filter", "machine_networks", "sign_up_origins", "batch_size", "api_calls_a_minute"),
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `digest.toml` lies about but the test's own."""
    monkeypatch.chdir(tmp_path)


def choose(values: dict[str, object], store: Path = Path("digest.db")) -> None:
    """Put choices into a store as they lie there, valid or not."""
    open_store(store, create=True).close()
    with closing(sqlite3.connect(store)) as db, db:
        db.executemany(
            "INSERT INTO chosen_settings VALUES (?, ?, '2026-11-26T09:00:00.000000Z')",
            [(name, json.dumps(value)) for name, value in values.items()],
        )


def shown(loaded: Loaded, name: str) -> tuple[str, str]:
    return next((setting.value, setting.source) for setting in loaded.explain() if setting.name == name)


def test_what_was_chosen_is_stronger_than_the_default_and_weaker_than_all_else() -> None:
    names = ("newsletter_tagline", "sender_name", "utm", "quiet_hours")
    choose({"newsletter_tagline": "desk", "sender_name": "desk", "utm": "a=desk", "quiet_hours": "20:00-07:00"})
    Path("digest.toml").write_text("sender_name = 'file'\nutm = 'a=file'\nquiet_hours = '21:00-07:00'\n")
    loaded = load(
        {"quiet_hours": "23:00-07:00"}, environment={"DIGEST_UTM": "a=environment", "DIGEST_QUIET_HOURS": "22:00-07:00"}
    )
    assert [shown(loaded, name) for name in names] == [
        ("desk", "desk"),
        ("file", "digest.toml"),
        ("a=environment", "environment"),
        ("23:00-07:00", "command line"),
    ]
    assert loaded.own.newsletter_tagline == SETTINGS["newsletter_tagline"].default
    assert loaded.warnings == ()


def test_it_is_read_from_the_store_that_is_named() -> None:
    choose({"newsletter_name": "Other"}, Path("other.db"))
    assert load(environment={}).settings.newsletter_name == "Weekly AI Tool Verdicts"
    assert load({"db": "other.db"}, environment={}).settings.newsletter_name == "Other"


def test_reading_it_changes_nothing_and_leaves_nothing() -> None:
    choose({"newsletter_name": "Other"})
    before = Path("digest.db").read_bytes()
    assert load(environment={}).settings.newsletter_name == "Other"
    assert [path.name for path in Path().iterdir()] == ["digest.db"]
    assert Path("digest.db").read_bytes() == before


@pytest.mark.parametrize("kind", ["nothing", "an empty file", "a folder", "no database", "an older store"])
def test_where_there_is_nothing_to_read_there_are_the_defaults(kind: str) -> None:
    store = Path("digest.db")
    match kind:
        case "an empty file":
            store.touch()
        case "a folder":
            store.mkdir()
        case "no database":
            store.write_bytes(b"not a database, but long enough to be looked at as one" * 40)
        case "an older store":
            with closing(sqlite3.connect(store)) as db:
                db.execute("CREATE TABLE issues (number INTEGER)")
    loaded = load(environment={})
    assert (loaded.settings, loaded.warnings) == (loaded.own, ())
    assert read_file(store) == {}


def test_a_store_that_cannot_be_read_now_is_told_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    choose({"newsletter_name": "Other"})
    monkeypatch.setattr("digest.chosen._QUICK_S", 0.01)
    with closing(sqlite3.connect("digest.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("BEGIN EXCLUSIVE")
        loaded = load(environment={})
    assert loaded.settings.newsletter_name == "Weekly AI Tool Verdicts"
    assert "cannot be read from digest.db" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("confirm_days", 0, "the least is 1"),
        ("tracking", "all", "'off', 'counts' or 'readers'"),
        ("timezone", "Europe/Berlinn", "did you mean 'Europe/Berlin'"),
        ("color_ink", "red", "write it like #2b2380"),
        ("social_links", {"Feed": "javascript:alert(1)"}, "no https:// address"),
        ("no_longer", True, "there is no such setting to choose in this version"),
        ("secret_key", "x" * 40, "there is no such setting to choose in this version"),
    ],
)
def test_a_choice_that_is_not_valid_any_more_is_passed_over_with_a_warning(name: str, value: object, why: str) -> None:
    choose({name: value, "newsletter_name": "Other"})
    loaded = load(environment={})
    assert loaded.settings.newsletter_name == "Other"
    (warning,) = loaded.warnings
    assert warning.startswith(f"{name}, chosen in the desk, is passed over: ")
    assert why in warning
    if name in SETTINGS:
        assert shown(loaded, name)[1] == "default"
        assert getattr(loaded.settings, name) == SETTINGS[name].default


def test_a_value_that_is_no_json_is_passed_over() -> None:
    laid = overlay(Settings(), {"utm": "{", "sender_name": '"Ann"'})
    assert (laid.settings.utm, laid.settings.sender_name) == ("", "Ann")
    assert laid.passed_over == {"utm": "its value cannot be read"}


def test_colours_that_cannot_be_read_beside_the_operators_are_passed_over_and_the_others_stay() -> None:
    own = Settings(color_card="#2a2a2a", color_page="#222222", color_ink="#ffffff", color_muted="#dddddd",
                   color_accent="#ccccff", color_ship="#66ffaa", color_skip="#ffaaaa")  # fmt: skip
    chosen = {"color_ink": "#000000", "color_ink_dark": "#ffffff", "newsletter_name": "Other"}
    laid = overlay(own, {name: json.dumps(value) for name, value in chosen.items()})
    assert laid.settings.color_ink == "#ffffff", "the operator's own is stronger"
    assert laid.passed_over == {}
    dark = overlay(Settings(color_card_dark="#ffffff", color_page_dark="#f0f0f0", color_ink_dark="#111111",
                            color_muted_dark="#444444", color_accent_dark="#222266", color_ship_dark="#004422",
                            color_skip_dark="#661111"), {"color_line_dark": '"#dddddd"'})  # fmt: skip
    assert dark.settings.color_line_dark == "#dddddd"
    light = overlay(Settings(color_ink="#101010"), {"color_card": '"#202020"', "color_line": '"#eeeeee"'})
    assert light.settings.color_card == "#ffffff"
    assert light.settings.color_line == "#eeeeee"
    assert set(light.passed_over) == {"color_card"}
    assert "text on a card has a contrast of 1." in light.passed_over["color_card"]


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(COLOR_SETTINGS, COLOR)))
def test_whatever_colours_were_chosen_digest_starts(chosen: dict[str, str]) -> None:
    laid = overlay(Settings(), {name: json.dumps(color) for name, color in chosen.items()})
    assert laid.applied | laid.passed_over.keys() == chosen.keys()
    assert all(getattr(laid.settings, name) == chosen[name] for name in laid.applied)


# Which may be chosen -------------------------------------------------------------------------------------------------


def test_secrets_paths_machines_and_the_provider_are_nobodys_choice() -> None:
    assert not SECTION_OF.keys() & set(NEVER)
    secret = {name for name, of in SETTINGS.items() if "Secret" in str(of.annotation) or "Path" in str(of.annotation)}
    assert not SECTION_OF.keys() & secret


def test_every_choice_is_a_setting_and_stands_in_one_section() -> None:
    names = [name for section in SECTIONS.values() for name in section]
    assert len(names) == len(set(names))
    assert set(names) <= set(SETTINGS)
    assert len([name for name in names if name.startswith("color_")]) == 2 * len(COLORS)


# Colours -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("palette", PALETTES)
def test_every_ready_palette_can_be_read(palette: str) -> None:
    colors = PALETTES[palette][1]
    assert set(colors) == set(COLOR_SETTINGS)
    assert [pair.words for pair in pairs(colors) if not pair.passes] == []
    Settings(**colors)  # type: ignore[arg-type]


def test_the_first_palette_is_how_digest_comes() -> None:
    assert next(iter(PALETTES)) == "ours"
    assert all(getattr(Settings(), name) == color for name, color in PALETTES["ours"][1].items())


@given(COLOR, st.lists(COLOR, min_size=1, max_size=2))
def test_the_nearest_colour_that_is_offered_can_be_read(color: str, grounds: list[str]) -> None:
    found = nearest_readable(color, grounds)
    if found is not None:
        assert all(contrast(found, ground) >= AA for ground in grounds)
    else:
        assert not any(all(contrast(end, ground) >= AA for ground in grounds) for end in ("#000000", "#ffffff"))


@given(COLOR)
def test_a_colour_that_can_be_read_is_its_own_nearest(color: str) -> None:
    if contrast(color, "#ffffff") >= AA:
        assert nearest_readable(color, ["#ffffff"]) == color
