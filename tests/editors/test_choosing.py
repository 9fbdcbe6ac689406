"""Choosing settings: all of a form or nothing, who did it is written down, and it can be taken back."""

from __future__ import annotations

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.chosen import overlay, read
from digest.editors import audit
from digest.editors.audit import By
from digest.editors.choosing import DEFAULT, WrongChoiceError, changes, choose, undo
from digest.errors import NotFoundError, StateError
from digest.settings import Settings
from serving import dump

ANN = By(None, "Ann")
BOB = By(None, "Bob")
OWN = Settings(postal_address="1 Sample Street, 10115 Berlin")


def now_chosen(db: Database) -> Settings:
    return overlay(OWN, read(db.conn)).settings


def test_what_is_chosen_counts_and_is_written_down(db: Database) -> None:
    change = choose(db, OWN, {"newsletter_name": "  Ship\nor Skip ", "timezone": "Europe/Berlin"}, by=ANN, now=NOW)
    assert (now_chosen(db).newsletter_name, now_chosen(db).timezone) == ("Ship or Skip", "Europe/Berlin")
    (done,) = changes(db, "newsletter")
    assert (done.id, done.who, done.did, done.what) == (change, "Ann", "changed", "newsletter settings")
    assert done.detail == {
        "before": {"newsletter_name": None, "timezone": None},
        "after": {"newsletter_name": "Ship or Skip", "timezone": "Europe/Berlin"},
    }


def test_every_kind_of_value_comes_back_as_it_was_chosen(db: Database) -> None:
    choose(db, OWN, {"social_links": {"Feed": "https://example.com/feed"}}, by=ANN, now=NOW)
    choose(db, OWN, {"hidden_link": "true", "full_comparisons": "3", "tracking": "off"}, by=ANN, now=NOW)
    settings = now_chosen(db)
    assert settings.social_links == {"Feed": "https://example.com/feed"}
    assert (settings.hidden_link, settings.full_comparisons, settings.tracking) == (True, 3, "off")


def test_of_a_form_with_one_wrong_value_nothing_is_kept(db: Database) -> None:
    before = dump(db)
    with pytest.raises(WrongChoiceError) as error:
        choose(db, OWN, {"confirm_days": "90", "goodbye_letter": "true"}, by=ANN, now=NOW)
    assert list(error.value.problems) == ["confirm_days"]
    assert error.value.problems["confirm_days"] == "the most is 60"
    assert dump(db) == before


def test_colours_that_cannot_be_read_together_are_refused_and_both_are_named(db: Database) -> None:
    with pytest.raises(WrongChoiceError) as error:
        choose(db, OWN, {"color_ink": "#eeeeee"}, by=ANN, now=NOW)
    assert set(error.value.problems) == {"color_ink", "color_page", "color_card"}
    assert error.value.problems["color_ink"] == "text on a card has a contrast of 1.2; text needs 4.5"


def test_what_the_operator_set_cannot_be_chosen(db: Database) -> None:
    with pytest.raises(StateError, match="postal_address is set by the operator"):
        choose(db, OWN, {"postal_address": "Elsewhere"}, by=ANN, now=NOW)


@pytest.mark.parametrize("name", ["secret_key", "provider", "db", "base_url", "made_up"])
def test_what_is_nobodys_choice_cannot_be_chosen(db: Database, name: str) -> None:
    with pytest.raises(NotFoundError, match=name):
        choose(db, OWN, {name: "x" * 40}, by=ANN, now=NOW)
    assert read(db.conn) == {}


def test_the_default_is_not_kept_so_that_a_better_one_comes_with_an_upgrade(db: Database) -> None:
    choose(db, OWN, {"confirm_days": 3}, by=ANN, now=NOW)
    choose(db, OWN, {"confirm_days": 7}, by=ANN, now=NOW)
    assert read(db.conn) == {}
    choose(db, OWN, {"confirm_days": 3}, by=ANN, now=NOW)
    choose(db, OWN, {"confirm_days": DEFAULT}, by=ANN, now=NOW)
    assert read(db.conn) == {}


def test_choosing_what_is_chosen_already_is_no_change(db: Database) -> None:
    assert choose(db, OWN, {"confirm_days": 3}, by=ANN, now=NOW)
    assert choose(db, OWN, {"confirm_days": "3"}, by=BOB, now=NOW) is None
    assert len(changes(db, "readers")) == 1


def test_a_choice_that_is_not_valid_any_more_keeps_nobody_from_choosing(db: Database) -> None:
    db.execute("INSERT INTO chosen_settings VALUES ('utm', '\"?\"', ''), ('gone', '1', '')")
    choose(db, OWN, {"confirm_days": 3}, by=ANN, now=NOW)
    assert now_chosen(db).confirm_days == 3


# Taking it back ------------------------------------------------------------------------------------------------------


def test_a_change_is_taken_back_whole(db: Database) -> None:
    choose(db, OWN, {"sender_name": "Ann"}, by=ANN, now=NOW)
    change = choose(db, OWN, {"sender_name": "Bob", "reply_to": "bob@example.com"}, by=BOB, now=NOW)
    assert change is not None
    assert undo(db, OWN, change, by=ANN, now=NOW) == "sender"
    assert (now_chosen(db).sender_name, now_chosen(db).reply_to) == ("Ann", "")
    newest = changes(db, "sender")[0]
    assert (newest.who, newest.detail["undoes"]) == ("Ann", change)
    undo(db, OWN, newest.id, by=BOB, now=NOW)
    assert now_chosen(db).sender_name == "Bob"


def test_what_was_changed_again_since_is_not_taken_back(db: Database) -> None:
    first = choose(db, OWN, {"sender_name": "Ann"}, by=ANN, now=NOW)
    choose(db, OWN, {"sender_name": "Bob"}, by=BOB, now=NOW)
    assert first is not None
    with pytest.raises(StateError, match="sender_name was changed again since"):
        undo(db, OWN, first, by=ANN, now=NOW)
    assert now_chosen(db).sender_name == "Bob"


def test_only_a_change_of_settings_can_be_taken_back(db: Database) -> None:
    with db.conn:
        audit.note(db.conn, ANN, "changed", "editor 1", now=NOW, before={"role": "editor"}, after={"role": "owner"})
    for number in (1, 7):
        with pytest.raises(NotFoundError, match=f"there is no change {number} of settings"):
            undo(db, OWN, number, by=ANN, now=NOW)
