"""Shares, and between what they lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.tracking.rates import People, rate, rates_of

NOBODY = People()


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    # Brown, Cai and DasGupta (2001), as R's prop.test(10, 100, correct = FALSE) gives it.
    share = rate(10, 100, "delivered")
    assert share.value == 0.1
    assert share.low == pytest.approx(0.05522914, abs=1e-6)
    assert share.high == pytest.approx(0.17436566, abs=1e-6)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_share_lies_in_its_interval_and_between_nothing_and_all(count: int, of: int) -> None:
    share = rate(count, of, "delivered")
    if of == 0:
        assert share.value is share.low is share.high is None
    else:
        assert share.value is not None
        assert share.low is not None
        assert share.high is not None
        assert 0 <= share.low <= share.value <= share.high <= 1


def test_where_nobody_tells_of_deliveries_rates_are_of_what_was_accepted() -> None:
    known: dict[str, int] = {"accepted": 100, "bounced_hard": 2, "bounced_soft": 3, "complained": 1, "unsubscribed": 4}
    told = rates_of(**known, delivered=90, opened=People(50, 40, 5, 5), clicked=People(20, 9, 1, 10))
    silent = rates_of(**known, delivered=None, opened=People(50, 40, 5, 5), clicked=People(20, 9, 1, 10))
    assert silent.delivered is None
    assert told.delivered is not None
    assert (told.delivered.value, told.delivered.of_what) == (0.9, "accepted")
    assert (told.clicked.value, told.clicked.of_what) == (0.1, "delivered")
    assert (silent.clicked.value, silent.clicked.of_what) == (0.09, "accepted")
    assert (told.clicked_all.count, told.clicked_all.of) == (20, 90)
    assert told.bounced is not None
    assert silent.bounced is not None
    assert told.bounced_hard is not None
    assert told.bounced.value == silent.bounced.value == 0.05
    assert told.bounced_hard.value == 0.02


def test_what_nobody_tells_of_is_no_share_and_no_nought() -> None:
    unknown: dict[str, None] = dict.fromkeys(("delivered", "bounced_hard", "bounced_soft", "complained"))
    rates = rates_of(accepted=100, unsubscribed=0, opened=NOBODY, clicked=NOBODY, **unknown)
    assert rates.delivered is rates.bounced is rates.bounced_hard is rates.complained is None
    assert rates.unsubscribed.value == 0


def test_what_apples_proxy_hides_counts_neither_above_nor_below_the_line() -> None:
    opened = People(all=80, people=30, unsure=0, machines=50, hidden=50, hidden_people=6)
    rates = rates_of(
        accepted=100,
        delivered=100,
        bounced_hard=0,
        bounced_soft=0,
        complained=0,
        unsubscribed=0,
        opened=opened,
        clicked=NOBODY,
    )
    assert (rates.opened.count, rates.opened.of) == (24, 44)
    assert (rates.opened_all.count, rates.opened_all.of) == (80, 100)
    assert "can be seen" in rates.opened.of_what
