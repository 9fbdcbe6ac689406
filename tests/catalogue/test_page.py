from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.catalogue.formats import read
from digest.catalogue.page import PANEL
from digest.catalogue.records import Record
from digest.errors import InputError

REAL_PAGES = Path(__file__).parents[3] / "shared" / "pages"

# The lines of a made-up page, each with the name by which a test changes or drops it.
PAGE = {
    "kicker": "AI tool comparison",
    "heading": "Hammer Mark II vs Tin Snips",
    "question": "Which of the two belongs in your box?",
    "left category": "Striking",
    "left name": "Hammer Mark II",
    "left tagline": "Now with a handle",
    "left panel ship": "100%",
    "left panel ship label": "Panel ship",
    "left community": "—",
    "left community label": "Community",
    "left entry": "Free",
    "left entry label": "Entry",
    "left description": "Hits nails, and now and then thumbs.",
    "right category": "Cutting",
    "right name": "Tin Snips",
    "right tagline": "Cuts what should be cut",
    "right panel ship": "50 %",
    "right panel ship label": "Panel ship",
    "right community": "41%",
    "right community label": "Community",
    "right entry": "Freemium",
    "right entry label": "Entry",
    "right description": "Opens tins of every size.",
    "scorecard": "Reviewer scorecard",
    "left quote 1": "“Solid, and it balances.”",
    "right quote 1": "“Sharp out of the box.”",
    "left quote 2": "“My thumb disagrees.”",
    "right quote 2": "“Rusts if you look at it.”",
    "sign up": "Weekly AI Tool Verdicts",
    "footer": "Get it in your inbox",
}


def page(**changes: str | None) -> str:
    """Write the made-up page, a line each, with lines changed, or dropped where they are None."""
    assert not set(changes) - {name.replace(" ", "_") for name in PAGE}
    lines = [changes.get(name.replace(" ", "_"), text) for name, text in PAGE.items()]
    return "\n".join(line for line in lines if line is not None)


def line_of(name: str) -> int:
    return list(PAGE).index(name) + 1


def records(text: str | bytes) -> list[Record]:
    return read("page.txt", text if isinstance(text, bytes) else text.encode())


def tools(text: str | bytes) -> list[dict[str, object]]:
    return [dict(record.data) for record in records(text) if record.kind == "tool"]


def quotes(text: str | bytes) -> list[tuple[str, str, str]]:
    reviews = [record.data for record in records(text) if record.kind == "review"]
    return [(data["reviewer"], data["tool"], data["quote"]) for data in reviews]


def refused(text: str) -> tuple[int | None, str | None, str]:
    """Give line, field and message of the error a page is refused with."""
    with pytest.raises(InputError) as caught:
        records(text)
    error = caught.value
    assert error.file == "page.txt"
    assert str(error) == f"page.txt:{error.line}: {error.field}: {error.message}"
    return error.line, error.field, error.message


def test_a_page_gives_two_tools_with_all_it_states_of_them() -> None:
    assert tools(page()) == [
        {
            "name": "Hammer Mark II",
            "category": "Striking",
            "tagline": "Now with a handle",
            "panel_ship": 100,
            "entry": "free",
            "description": "Hits nails, and now and then thumbs.",
        },
        {
            "name": "Tin Snips",
            "category": "Cutting",
            "tagline": "Cuts what should be cut",
            "panel_ship": 50,
            "community": 41,
            "entry": "freemium",
            "description": "Opens tins of every size.",
        },
    ]


def test_a_page_gives_one_comparison_of_its_two_tools() -> None:
    [comparison] = [record for record in records(page()) if record.kind == "comparison"]
    assert comparison.data == {"left": "Hammer Mark II", "right": "Tin Snips"}
    assert comparison.at == line_of("heading")


def test_quotes_are_left_and_right_in_turn_a_pair_a_reviewer_and_state_no_verdict() -> None:
    assert quotes(page()) == [
        ("Builder", "Hammer Mark II", "Solid, and it balances."),
        ("Builder", "Tin Snips", "Sharp out of the box."),
        ("Skeptic", "Hammer Mark II", "My thumb disagrees."),
        ("Skeptic", "Tin Snips", "Rusts if you look at it."),
    ]
    assert all("verdict" not in record.data for record in records(page()))


@pytest.mark.parametrize("dash", ["—", "–", "-"])
def test_a_dash_states_nothing(dash: str) -> None:
    [left, _] = tools(page(left_community=dash, left_panel_ship=dash, left_entry=dash))
    assert not {"community", "panel_ship", "entry"} & set(left)


def test_a_tool_may_have_no_tagline() -> None:
    [left, right] = tools(page(left_tagline=None))
    assert "tagline" not in left
    assert left["panel_ship"] == 100
    assert right["tagline"] == "Cuts what should be cut"


def test_a_tool_without_a_tagline_may_have_no_panel_ship_either() -> None:
    [left, _] = tools(page(left_tagline=None, left_panel_ship="—"))
    assert not {"tagline", "panel_ship"} & set(left)


def test_a_description_may_have_many_paragraphs_or_none() -> None:
    [left, right] = tools(page(left_description="One.\n\n  Two.  \nThree.", right_description=None))
    assert left["description"] == "One.\nTwo.\nThree."
    assert "description" not in right


def test_a_quote_may_have_many_lines() -> None:
    text = page(left_quote_1="“One,\n\ntwo\nand “three”, said.\nThe end.”")
    assert quotes(text)[0] == ("Builder", "Hammer Mark II", "One,\ntwo\nand “three”, said.\nThe end.")


@pytest.mark.parametrize("marks", ['""', "“”", "„“", "«»"])
def test_quotation_marks_of_many_lands_will_do(marks: str) -> None:
    text = page(left_quote_1=f"{marks[0]}Solid “as” such.{marks[1]}")
    assert quotes(text)[0][2] == "Solid “as” such."


def test_names_may_have_vs_in_them_and_the_word_may_have_a_point() -> None:
    [left, right] = tools(page(heading="Good vs Evil vs. Tin Snips", left_name="Good vs Evil"))
    assert (left["name"], right["name"]) == ("Good vs Evil", "Tin Snips")


def test_a_page_may_have_no_quotes_and_end_at_once() -> None:
    whole = page()
    assert quotes(whole[: whole.index("“Solid")]) == []
    assert len(quotes(whole[: whole.index("Weekly AI")])) == 4


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    windows = b"\xef\xbb\xbf" + page().replace("\n", "\r\n").encode()
    assert [record.data for record in records(windows)] == [record.data for record in records(page())]
    assert [record.at for record in records(windows)] == [record.at for record in records(page())]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", " ", "\t"]), max_size=len(PAGE)))
def test_empty_lines_change_nothing(gaps: list[str]) -> None:
    lines = page().split("\n")
    for index, gap in enumerate(gaps):
        lines[index] += "\n" + gap
    assert [record.data for record in records("\n".join(lines))] == [record.data for record in records(page())]


# Errors: each names the line and what was expected there ------------------------------------------------------


def test_a_text_that_is_no_page_is_told_so() -> None:
    assert refused("Dear all,\nsee you on Monday.") == (
        1,
        "heading",
        "no line reads “A vs B” with both names below it; is this a comparison page?",
    )


@pytest.mark.parametrize("missing", ["right_name", "left_name"])
def test_a_heading_whose_tool_is_not_below_is_no_heading(missing: str) -> None:
    assert refused(page(**{missing: None}))[1] == "heading"


def test_a_tool_that_stands_only_above_the_heading_is_missing_below() -> None:
    line, field, message = refused(page(kicker="Hammer Mark II", left_name=None))
    assert (line, field) == (line_of("question"), "name")
    assert message == "the tool 'Hammer Mark II' of the heading does not follow"
    line, field, message = refused(page(kicker="Tin Snips", right_name=None))
    assert (line, field) == (line_of("scorecard") - 1, "name")
    assert message == "the tool 'Tin Snips' of the heading does not follow"


def test_a_category_must_stand_above_the_name() -> None:
    line, field, message = refused(page(question=None, left_category=None))
    assert (line, field, message) == (3, "category", "a category should stand above 'Hammer Mark II'")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("name", "field"), [("panel ship", "panel_ship"), ("community", "community")])
def test_a_figure_that_is_no_percentage_is_refused(side: str, name: str, field: str) -> None:
    place = f"{side} {name}"
    line, found, message = refused(page(**{place.replace(" ", "_"): "many"}))
    assert (line, found) == (line_of(place), field)
    assert message == "expected a percentage such as 75%, or a dash for none, found 'many'"


@pytest.mark.parametrize("figure", ["175%", "101%", "9" * 5000 + "%"])
@pytest.mark.parametrize("place", ["left panel ship", "left community", "right panel ship", "right community"])
def test_a_percentage_over_100_is_refused(figure: str, place: str) -> None:
    line, field, message = refused(page(**{place.replace(" ", "_"): figure}))
    assert (line, field) == (line_of(place), place.split(" ", 1)[1].replace(" ", "_"))
    assert message.endswith(("is out of range; it goes from 0 to 100", "is not a whole number"))


@pytest.mark.parametrize("place", ["left panel ship label", "right community label", "left entry label"])
def test_a_wrong_label_is_refused(place: str) -> None:
    line, field, message = refused(page(**{place.replace(" ", "_"): "Weight"}))
    assert line == line_of(place)
    assert field == "_".join(place.split()[1:-1])
    assert message == f"expected the label {PAGE[place]!r} under the figure, found 'Weight'"


def test_an_entry_of_another_kind_is_refused() -> None:
    line, field, message = refused(page(right_entry="Payed"))
    assert (line, field) == (line_of("right entry"), "entry")
    assert message == "expected Free, Freemium or Paid, found 'Payed'"


def test_a_page_without_a_scorecard_is_refused_at_its_last_description() -> None:
    line, field, message = refused(page(scorecard=None))
    assert (line, field) == (line_of("right description"), "description")
    assert message == "“Reviewer scorecard” should follow"


def test_a_tool_named_only_below_the_scorecard_is_refused() -> None:
    line, field, message = refused(page(right_name=None, footer="Tin Snips"))
    assert (line, field, message) == (len(PAGE) - 1, "tagline", "the page ends before it")


@pytest.mark.parametrize(
    ("last", "field"), [("left name", "tagline"), ("left tagline", "panel_ship"), ("left community label", "entry")]
)
def test_a_page_that_stops_too_early_says_what_it_stops_before(last: str, field: str) -> None:
    cut = list(PAGE.values())[: line_of(last)]
    line, found, message = refused("\n".join(["Tin Snips", *cut]))
    assert (line, found, message) == (line_of(last) + 1, field, "the page ends before it")


def test_an_odd_number_of_quotes_is_refused_at_the_last() -> None:
    line, field, message = refused(page(left_quote_2=None))
    assert (line, field) == (line_of("left quote 2"), "quote")
    assert message == "there are 3 quotes; they come in pairs, left and right"


def test_more_pairs_than_the_panel_has_are_refused_at_the_first_too_many() -> None:
    line, field, message = refused(page(right_quote_2="\n".join(["“Rusts.”"] + ["“More.”"] * 6)))
    assert (line, field) == (line_of("left quote 1") + 2 * len(PANEL), "quote")
    assert message.startswith("there are 5 pairs and the panel of a page is Builder, Skeptic, Futurist, Founder;")
    assert message.endswith("import more reviewers as JSON or CSV, which name them")


@pytest.mark.parametrize("end", ["Weekly AI Tool Verdicts", None])
def test_a_quote_that_is_not_closed_is_refused_where_it_opens(end: str | None) -> None:
    # A quotation mark further down, in the sign-up block, does not close it.
    footer = end and "They call it “the best”"
    line, field, message = refused(page(right_quote_2="“Rusts if you look at it.", sign_up=end, footer=footer))
    assert (line, field, message) == (line_of("right quote 2"), "quote", "the quote is not closed")


def test_a_text_between_quotes_is_refused() -> None:
    line, field, message = refused(page(right_quote_1="Sharp out of the box."))
    assert (line, field, message) == (line_of("right quote 1"), "quote", "expected a quote in quotation marks")


@pytest.mark.parametrize("quote", ["“”", "“ ”"])
def test_an_empty_quote_is_refused(quote: str) -> None:
    assert refused(page(right_quote_1=quote)) == (line_of("right quote 1"), "quote", "is empty")


def test_a_null_character_is_refused_where_it_stands() -> None:
    line, field, _ = refused(page(right_description="Opens\x00tins."))
    assert (line, field) == (line_of("right description"), "description")


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PAGE.values(), "“", "”", "175%", "a vs b", "a", "b"]), min_size=1))
def test_lines_in_any_order_are_read_or_refused_and_nothing_else(lines: list[str]) -> None:
    with suppress(InputError):
        assert sum(record.kind == "tool" for record in records("\n".join(lines))) == 2


# The pages the project was given ------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_PAGES.is_dir(), reason="the real pages are not on this machine")
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("smolvlm-3b-vs-perplexity-sonar-pro-2-api.txt", [("SmolVLM-3B", 75, "free")]),
        ("smolvlm2-turbo-vs-perplexity-sonar-pro-2-api.txt", [("SmolVLM2 Turbo", 100, "free")]),
    ],
)
def test_a_real_page_is_read_whole(name: str, figures: list[tuple[str, int, str]]) -> None:
    text = (REAL_PAGES / name).read_text(encoding="utf-8")
    found = tools(text)
    expected = [*figures, ("Perplexity Sonar Pro 2 API", 75, "paid")]
    assert [(tool["name"], tool["panel_ship"], tool["entry"]) for tool in found] == expected
    assert all(tool["category"] == "Developer Tools" and "community" not in tool for tool in found)
    assert [reviewer for reviewer, _, _ in quotes(text)] == [name for name in PANEL for _ in range(2)]
    assert [tool for _, tool, _ in quotes(text)] == [tool["name"] for tool in found] * 4
    # Every sentence of the page stands in some record, except those around the tools.
    kept = "\n".join(str(value) for record in records(text) for value in record.data.values())
    lost = [line for line in text.splitlines() if len(line) > 60 and line.strip("“”") not in kept]
    assert [line[:9] for line in lost] == ["Which one", "New AI to"]
