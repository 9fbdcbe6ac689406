from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from digest.numbers import counted, on_scale, one_in, percent, several, short
from digest.web.charts import Chart, Series, bars, columns, legend, lines, meter, scale, spark, thinned

HOSTILE = '<script>alert("x")</script> & "co"'


def chart(*slots: str, marks: dict[int, str] | None = None) -> Chart:
    return Chart("some", "Opened", "Most on Monday", slots, marks or dict(enumerate(slots)))


def svg(drawn: Markup) -> ET.Element:
    """The drawing, read as XML: so it is well-formed."""
    found = ET.fromstring(f"<box>{drawn}</box>").find(".//svg")
    assert found is not None
    return found


def blocks(drawn: Markup, look: str) -> list[tuple[float, float]]:
    """Top and height of each block that looks so."""
    return [
        (float(one.attrib["y"]), float(one.attrib["height"]))
        for one in svg(drawn).iter("rect")
        if one.get("class") == look
    ]


ALL: list[Callable[[], Markup]] = [
    lambda: columns(chart("Mon", "Tue"), Series("One", [3, 5]), Series("Two", [1, 0])),
    lambda: columns(chart("Mon", "Tue"), Series("Came", [3, 5]), below=Series("Went", [2, 1])),
    lambda: columns(chart("Mon"), Series("One", [0])),
    lambda: lines(chart("Mon", "Tue", "Wed"), Series("One", [0.1, None, 0.3]), write=percent),
    lambda: lines(chart(), Series("One", [])),
    lambda: bars(chart("Sent", "Read"), Series("One", [10, 4]), Series("Two", [0, 2]), whole=10, written=["10", "4"]),
    lambda: bars(chart("Sent"), Series("One", [0]), whole=0, written=["0"]),
    lambda: meter("some", "0.2%", 0.002, [(0.001, "aim"), (0.003, "limit")]),
    lambda: spark([1, 2, None, 4]),
]


@pytest.mark.parametrize("draw", ALL)
def test_what_is_drawn_is_well_formed_and_has_no_style_no_script_and_no_number_that_is_none(
    draw: Callable[[], Markup],
) -> None:
    drawn = draw()
    assert svg(drawn).tag == "svg"
    assert "style=" not in drawn
    assert "<script" not in drawn
    assert not re.search(r"\b(nan|inf|None)\b", drawn)


@pytest.mark.parametrize("draw", ALL[:-1])
def test_who_hears_a_page_is_told_what_a_chart_shows(draw: Callable[[], Markup]) -> None:
    found = svg(draw())
    assert found.attrib["role"] == "img"
    texts = {one.get("id"): one.text for one in found.iter() if one.get("id")}
    assert all(texts[name] for name in found.attrib["aria-labelledby"].split())


def test_a_spark_is_beside_figures_and_nobody_hears_of_it() -> None:
    assert svg(spark([1, 2])).attrib["aria-hidden"] == "true"
    assert spark([None, 2]) == spark([]) == ""


def test_names_of_all_kinds_are_escaped() -> None:
    hostile = Chart("some", HOSTILE, HOSTILE, [HOSTILE], {0: HOSTILE})
    for drawn in (
        columns(hostile, Series(HOSTILE, [1])),
        lines(hostile, Series(HOSTILE, [1])),
        bars(hostile, Series(HOSTILE, [1]), Series(HOSTILE, [1]), whole=2, written=[HOSTILE]),
        legend(HOSTILE),
        meter("some", HOSTILE, 0.1, [(0.2, HOSTILE)]),
    ):
        assert "<script" not in drawn
        assert "&lt;script" in drawn


def test_columns_are_as_high_as_their_values_and_stand_on_each_other() -> None:
    drawn = columns(chart("Mon", "Tue"), Series("People", [30, 10]), Series("Machines", [10, 0]))
    (first_top, first), (_, second) = blocks(drawn, "s0")
    assert first == pytest.approx(3 * second, abs=0.3)
    [(top, height)] = blocks(drawn, "s1")
    assert top + height == pytest.approx(first_top, abs=0.2)
    assert height == pytest.approx(second, abs=0.2)


def test_what_goes_down_begins_at_the_line() -> None:
    drawn = columns(chart("Mon"), Series("Came", [30]), below=Series("Went", [10]))
    [(top, height)] = blocks(drawn, "s0")
    [(below, _)] = blocks(drawn, "s1")
    assert below == pytest.approx(top + height, abs=0.2)


def test_one_of_a_million_is_seen() -> None:
    assert blocks(columns(chart("a", "b"), Series("One", [1_000_000, 1])), "s0")[1][1] >= 1
    assert len(blocks(columns(chart("a", "b"), Series("One", [5, 0])), "s0")) == 1


def test_a_second_series_has_a_pattern_and_not_its_colour_alone() -> None:
    drawn = columns(chart("Mon"), Series("People", [3]), Series("Machines", [3]))
    [second] = [one for one in svg(drawn).iter("rect") if one.get("class") == "s1"]
    assert second.attrib["fill"] == "url(#some-hatch)"
    assert [one.get("id") for one in svg(drawn).iter("pattern")] == ["some-hatch"]


def test_what_is_not_known_leaves_a_gap_and_is_not_nothing() -> None:
    drawn = lines(chart("a", "b", "c", "d", "e"), Series("Rate", [0.1, 0.2, None, 0.3, 0.4]), write=percent)
    assert len(list(svg(drawn).iter("polyline"))) == 2
    assert "c\nRate: not known" in drawn
    assert "b\nRate: 20%" in drawn


def test_where_there_are_many_points_the_last_and_the_lonely_are_seen() -> None:
    values = [None if slot in (4, 6) else float(slot) for slot in range(40)]
    drawn = lines(chart(*"x" * 40), Series("One", values))
    shown = [one for one in svg(drawn).iter("circle") if one.attrib["class"] == "d0"]
    assert [one.attrib["cx"] for one in shown] == [f"{100 * (slot + 0.5) / 40:g}%" for slot in (5, 39)]


def test_bars_fill_their_share_and_never_more_than_all() -> None:
    drawn = bars(chart("Read"), Series("People", [60]), Series("Machines", [70]), whole=100, written=["60"])
    widths = {
        one.attrib["class"]: one.attrib["width"] for one in svg(drawn).iter("rect") if one.get("class") in ("s0", "s1")
    }
    assert widths == {"s0": "60%", "s1": "40%"}


@pytest.mark.parametrize(("share", "width"), [(None, None), (0.0015, "40%"), (0.003, "80%"), (0.9, "100%")])
def test_a_meter_shows_a_share_beside_its_limits_however_far_beyond(share: float | None, width: str | None) -> None:
    drawn = svg(meter("some", "so much", share, [(0.001, "aim"), (0.003, "limit")]))
    assert next((one.attrib["width"] for one in drawn.iter("rect") if one.get("class") == "s0"), None) == width
    aim, limit = (float(one.attrib["x"].rstrip("%")) for one in drawn.iter("text"))
    assert 15 < aim < limit - 30 < 55


def test_words_at_the_edges_do_not_stick_out() -> None:
    drawn = columns(chart(*(f"day {slot}" for slot in range(31))), Series("One", [*range(31)]))
    marks = [one for one in svg(drawn).iter("text") if (one.get("class") or "").startswith("mark")]
    assert marks[0].attrib["text-anchor"] == "start"
    assert len(marks) <= 9
    assert sum(one.attrib["class"] == "mark" for one in marks) <= 4
    [peak] = [one for one in svg(drawn).iter("text") if one.get("class") == "value"]
    assert (peak.text, peak.attrib["text-anchor"]) == ("30", "end")


@given(
    above=st.one_of(st.integers(0, 10**9), st.floats(1e-9, 1)),
    below=st.one_of(st.just(0), st.integers(0, 10**6)),
)
def test_scales_hold_all_values_and_have_few_even_steps_with_0_among_them(above: float, below: float) -> None:
    steps = scale(above, below)
    assert steps[0] <= -below
    assert steps[-1] >= above * (1 - 1e-6)
    assert 0 in steps
    assert 2 <= len(steps) <= 7
    first = steps[1] - steps[0]
    assert all(later - sooner == pytest.approx(first, rel=1e-6, abs=1e-11) for sooner, later in pairwise(steps))


def test_counts_have_no_halves_at_their_side() -> None:
    assert scale(5) == [0, 2, 4, 6]
    assert all(step == int(step) for most in range(4, 60) for step in scale(most))


@given(st.dictionaries(st.integers(0, 400), st.text(max_size=3), max_size=80), st.integers(1, 12))
def test_marks_are_thinned_evenly(marks: dict[int, str], most: int) -> None:
    kept = thinned(marks, 401, most)
    assert len(kept) <= most
    assert kept.items() <= marks.items()
    assert not marks or min(marks) in kept


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (None, "—"), (0, "0%"), (0.00004, "under 0.01%"), (0.0008, "0.08%"), (0.001, "0.10%"), (0.042, "4.2%"),
        (0.0996, "10%"), (0.374, "37%"), (0.8996, "90%"), (0.9, "90.0%"), (0.981, "98.1%"), (0.9994, "99.9%"),
        (0.9995, "99.95%"), (0.9996, "99.96%"), (0.99999, "99.99%"),
        (1, "100%"), (1.2, "120%"),
    ],
)  # fmt: skip
def test_shares_have_the_digits_that_say_something(share: float | None, written: str) -> None:
    assert percent(share) == written


@given(st.floats(0, 1))
def test_only_nothing_is_0_and_only_all_is_100_percent(share: float) -> None:
    assert (percent(share) == "0%") == (share == 0)
    assert (percent(share) in ("100%", "100.0%", "100.00%")) == (share == 1)


def test_numbers_are_written_as_people_read_them() -> None:
    assert counted(1234567.4) == "1,234,567"
    assert [several(count, "copy", "copies") for count in (0, 1, 9812)] == ["0 copies", "1 copy", "9,812 copies"]
    assert several(2, "reader") == "2 readers"
    assert [short(number) for number in (0, 950, 2500, 1_000_000)] == ["0", "950", "2.5k", "1M"]
    assert [on_scale(share) for share in (0, 0.0005, 0.025, 1)] == ["0%", "0.05%", "2.5%", "100%"]
    assert [one_in(share) for share in (None, 0, 0.11, 0.0004, 0.7)] == ["", "", "1 in 9", "1 in 2,500", "70%"]
