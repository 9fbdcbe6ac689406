from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.catalogue.formats import FORMATS, Format, read
from digest.catalogue.records import schema
from digest.errors import InputError


def records(file: str, text: str | bytes, format: Format | None = None) -> list[tuple[str, dict[str, Any]]]:  # noqa: A002
    return [
        (record.kind, dict(record.data))
        for record in read(file, text.encode() if isinstance(text, str) else text, format)
    ]


def refused(file: str, content: str | bytes) -> tuple[int | None, str | None, str]:
    """Give line, field and message of the error a file is refused with."""
    with pytest.raises(InputError) as caught:
        read(file, content.encode() if isinstance(content, str) else content)
    assert caught.value.file == file
    return caught.value.line, caught.value.field, caught.value.message


def error_in(file: str, text: str) -> InputError | None:
    try:
        read(file, text.encode())
    except InputError as error:
        return error
    return None


# All formats --------------------------------------------------------------------------------------------------

TOOL = {"name": "Anvil", "tagline": "Stays, put", "entry": "paid", "panel_ship": 75}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.json", json.dumps({"tools": [TOOL]})),
        ("A.JSON", json.dumps({"tools": [TOOL]}, indent=2)),
        ("a.jsonl", "\n" + json.dumps({"type": "tool", **TOOL}) + "\n\n"),
        ("a.ndjson", json.dumps({"type": "tool", **TOOL}) + "\r\n"),
        ("a.csv", 'name,tagline,entry,panel_ship\nAnvil,"Stays, put",paid,75\n'),
        ("a.csv", 'Name,Tagline,ENTRY, Panel ship \r\n\r\n Anvil ,"Stays, put",Paid,75 %\r\n , , , \r\n'),
    ],
)
def test_one_tool_reads_the_same_in_every_format(file: str, text: str) -> None:
    for mark in ("", "\ufeff"):
        [(kind, data)] = records(file, mark + text)
        assert (kind, {name: value for name, value in data.items() if name != "type"}) == ("tool", TOOL)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('{"tools": [{"name": "Anvil"}]}', ["tool"]),
        ('\n  {\n"tools": [{"name": "Anvil"}]}', ["tool"]),
        ('{"type": "tool", "name": "Anvil"}\n{"type": "tool", "name": "Bellows"}', ["tool", "tool"]),
        ("name,tagline\nAnvil,Stays put", ["tool"]),
        ("name;tagline\nAnvil;Stays put", ["tool"]),
        ('"name","tagline"\n"Anvil","Stays put"', ["tool"]),
        ("Tool,Reviewer,Verdict,Quote\nAnvil,Ann,ship,Good.", ["review"]),
        ("tool,voter,verdict\nAnvil,v1,skip", ["vote"]),
        ("left,right\nAnvil,Bellows", ["comparison"]),
        ("A vs B\nTools\nA\n—\nPanel ship\n—\nCommunity\n—\nEntry\nTools\nB\n—\nPanel ship\n—\nCommunity\n-\nEntry\n"
         "Reviewer scorecard", ["tool", "tool", "comparison"]),
    ],
)  # fmt: skip
def test_standard_input_is_told_by_how_it_begins(text: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in records("standard input", text)] == kinds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "the document must be an object with lists such as tools"),
        ('{"tools": [}', "is not JSON: Expecting value (column 12)"),
        ('{"type" "tool"}', "is not JSON: Expecting ':' delimiter (column 9)"),
        ("Dear all,", "no line reads “A vs B” with both names below it; is this a comparison page?"),
        ('{"a":' * 100_000, "is nested too deeply to be a catalogue"),
    ],
)
def test_standard_input_that_is_nothing_we_read_is_refused(text: str, message: str) -> None:
    assert refused("standard input", text)[2] == message


def test_a_format_that_is_named_wins_over_the_name_of_the_file() -> None:
    assert records("a.json", "name,entry\nAnvil,free", "csv") == [("tool", {"name": "Anvil", "entry": "free"})]


@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("file", ["a.json", "a.csv", "a.txt", "standard input"])
def test_an_empty_file_is_refused(file: str, content: bytes) -> None:
    assert refused(file, content) == (None, None, "is empty")


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    assert refused("a.csv", "name,tagline\nAnvil,Stays put\nCafé,Hot\n".encode("latin-1")) == (
        3,
        None,
        "the byte 0xe9 is not UTF-8; save the file as UTF-8",
    )


def test_unicode_text_of_excel_is_read() -> None:
    assert records("a.csv", "name\ttagline\r\nAnvil\tStays put\r\n".encode("utf-16")) == [
        ("tool", {"name": "Anvil", "tagline": "Stays put"})
    ]


@settings(deadline=None)
@given(st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.txt", "-"]), st.binary())
@example("a.json", b'{"tools": [{"name": "a", "panel_ship": ' + b"9" * 5000 + b"}]}")
@example("a.jsonl", b'{"type": "tool", "name": "a", "panel_ship": ' + b"9" * 5000 + b"}")
@example("a.csv", b"name,panel_ship\na," + b"9" * 5000)
@example("-", b'{"a":' * 100_000)
def test_any_bytes_are_read_or_refused_and_nothing_else(file: str, content: bytes) -> None:
    with suppress(InputError):
        read(file, content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
field_names = st.sampled_from(
    sorted({name for kind in schema()["$defs"].values() for name in kind.get("properties", ())})
)
near_catalogues = st.dictionaries(
    st.sampled_from([*schema()["properties"], "tols"]),
    st.lists(st.dictionaries(field_names | st.text(max_size=5), json_values, max_size=5) | json_values, max_size=3),
)


@settings(deadline=None)
@given(near_catalogues, st.sampled_from([None, 1]))
def test_any_json_is_read_or_refused_with_a_line_that_can_be_printed(document: object, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    if error := error_in("a.json", text):
        assert str(error).encode()
        assert error.line in range(1, text.count("\n") + 2)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["name", "tool", "quote", "left", "", '"', ",", "\r", "7%", "é\n"]))))
def test_any_table_is_read_or_refused_with_a_line(rows: list[list[str]]) -> None:
    text = "\n".join(",".join(row) for row in rows)
    if error := error_in("a.csv", text):
        assert error.message == "is empty" or error.line in range(1, len(text.splitlines()) + 1)


# Fields, the same in every format -----------------------------------------------------------------------------

WRONG_TOOLS = [
    ({"entry": "payed"}, "entry", "'payed' is not one of free, freemium, paid; did you mean 'paid'?"),
    ({"tagine": "x"}, "tagine", "there is no such field; did you mean 'tagline'?"),
    ({"zzz": 1}, "zzz", "there is no such field; the fields are type, slug, name, tagline, "),
    ({"panel_ship": 175}, "panel_ship", "175 is out of range; it goes from 0 to 100"),
    ({"community": -1}, "community", "-1 is out of range; it goes from 0 to 100"),
    ({"panel_ship": "75%"}, "panel_ship", "'75%' is not a whole number"),
    ({"panel_ship": True}, "panel_ship", "True is not a whole number"),
    ({"panel_ship": float("nan")}, "panel_ship", "nan is not a whole number"),
    ({"tagline": 7}, "tagline", "7 is not text"),
    ({"tagline": "x" * 301}, "tagline", "has 301 characters; 300 is the most"),
    ({"url": "javascript:alert(1)"}, "url", "'javascript:alert(1)' does not fit; write it like https://"),
    ({"slug": "Not A Slug"}, "slug", "'Not A Slug' does not fit; write it like my-tool-2"),
    ({"slug": "anvil\n"}, "slug", "'anvil\\n' does not fit; write it like my-tool-2"),
    ({"tagline": "a\x00b"}, "tagline", "has the character U+0000, which belongs in no text"),
    ({"name": "\x1b[31m"}, "name", "has the character U+001B, which belongs in no text"),
    ({"tagline": "a\u202eb"}, "tagline", "has the character U+202E, which belongs in no text"),
    ({"description": "\ud83d"}, "description", "has the character U+D83D, which belongs in no text"),
    ({"name": ""}, "name", "is empty"),
    ({"name": " \n"}, "name", "is empty"),
    ({"reviews": {}}, "reviews", "{} is not a list"),
    ({"reviews": [{"reviewer": "Ann", "quote": "q"}, 1]}, "reviews.1", "1 is not an object"),
    ({"reviews": [{"reviewer": "Ann", "quote": " "}]}, "reviews.0.quote", "is empty"),
    ({"reviews": [{"reviewer": " ", "quote": "q"}]}, "reviews.0.reviewer", "is empty"),
    ({"reviews": [{"reviewer": "Ann"}]}, "reviews.0.quote", "is missing"),
    ({"reviews": [{"reviewer": "Ann", "quote": "q", "verdict": "shipp"}]}, "reviews.0.verdict",
     "'shipp' is not one of ship, skip; did you mean 'ship'?"),
    ({"reviews": [{"reviewer": "Ann", "quote": "q", "qoute": "q"}]}, "reviews.0.qoute",
     "there is no such field; did you mean 'quote'?"),
    ({"reviews": [{"reviewer": "Ann", "quote": "\x00"}]}, "reviews.0.quote", "has the character U+0000"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field", "message"), WRONG_TOOLS)
def test_a_wrong_field_is_named_with_what_would_be_right(wrong: dict[str, object], field: str, message: str) -> None:
    tool = {"name": "Bellows", **wrong}
    line, found, said = refused("a.jsonl", '{"type": "tool", "name": "Anvil"}\n' + json.dumps({"type": "tool", **tool}))
    assert (line, found) == (2, field)
    assert said.startswith(message)
    _, found, said = refused("a.json", json.dumps({"tools": [{"name": "Anvil"}, tool]}))
    assert found == field
    assert said.startswith(message)


@pytest.mark.parametrize("kind", ["reviewer", "tool", "review", "comparison", "vote"])
def test_every_field_that_is_needed_is_asked_for(kind: str) -> None:
    definition = schema()["$defs"][kind]
    whole = dict.fromkeys(definition["required"], "ship")
    for name in definition["required"]:
        data = {"type": kind, **whole}
        assert records("a.jsonl", json.dumps(data)) == [(kind, data)]
        del data[name]
        assert refused("a.jsonl", json.dumps(data)) == (1, name, "is missing")


def test_null_is_taken_where_it_can_clear_something() -> None:
    cleared = dict.fromkeys(["tagline", "category", "description", "entry", "url", "panel_ship", "community"])
    assert records("a.json", json.dumps({"tools": [{"name": "Anvil", **cleared}]})) == [
        ("tool", {"name": "Anvil", **cleared})
    ]
    assert refused("a.json", '{"tools": [{"name": null}]}') == (1, "name", "None is not text")


@pytest.mark.parametrize("time", ["2026-11-26", "2026-11-26 09:00", "2026-11-26T09:00:30.5Z", "-3d", "-30h"])
def test_times_are_taken_as_the_schema_says(time: str) -> None:
    comparison = {"left": "a", "right": "b", "published_at": time}
    assert records("a.json", json.dumps({"comparisons": [comparison]})) == [("comparison", comparison)]


@pytest.mark.parametrize("time", ["", "soon", "26.11.2026", "now", "-3w", "-3d\n", " -3d"])
def test_other_times_are_refused(time: str) -> None:
    comparison = {"left": "a", "right": "b", "published_at": time}
    _, field, message = refused("a.json", json.dumps({"comparisons": [comparison]}))
    assert field == "published_at"
    assert "does not fit; write it like 2026-11-26" in message


# JSON ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ('{\n"tools": [\n{\n"name": "a",\n\n"entry": "payed"}]}', 6, "entry"),
        ('{\n"tools": [\n{\n"name": "a",\n\n"entry":\n"payed"}]}', 6, "entry"),
        ('{\n"tools": [\n{"name": "a"},\n{\n"tagline": "x"}]}', 4, "name"),
        ('{\n"tools": [\n{"name": "a"},\n\n7]}', 5, None),
        ('{\r\n"tools": [\r\n{"name": "a",\r\n"tag/line": 1}]}', 4, "tag/line"),
        ('{\n"tools": [\n{"name": "a",\n"type": "vote"}]}', 4, "type"),
        ('{\n"tools": [\n{"name": "a",\n"reviews": [\n{"reviewer": "b",\n"quote": ""}]}]}', 6, "reviews.0.quote"),
        ('{\n"tools": [\n{"name": "a",\n"panel_ship":\n' + "9" * 5000 + "}]}", 4, "panel_ship"),
        ('{\n"tools": [\n{"name": "a",\n"tagline": ' + "[" * 700 + "]" * 700 + "}]}", None, None),
    ],
)
def test_an_error_in_json_has_the_line_of_its_field(text: str, line: int | None, field: str | None) -> None:
    assert refused("a.json", text)[:2] == (line, field)


def test_text_that_is_not_json_is_refused_where_it_breaks() -> None:
    line, field, message = refused("a.json", '{\n"tools": [\n{"name": "a" "b"}]}')
    assert (line, field) == (3, None)
    assert message == "is not JSON: Expecting ',' delimiter (column 14)"
    assert refused("a.jsonl", '{"type": "tool", "name": "a"}\n\n{"type": "tool"')[0] == 3


def test_a_list_we_do_not_know_is_refused_with_the_nearest_we_do() -> None:
    assert refused("a.json", '{\n"tools": [],\n"tols": []}') == (
        3,
        None,
        "there is no list 'tols'; did you mean 'tools'?",
    )
    assert refused("a.json", '{"zzz": []}')[2] == (
        "there is no list 'zzz'; there are reviewers, tools, reviews, comparisons, votes"
    )


def test_a_list_that_is_none_is_refused() -> None:
    assert refused("a.json", '{\n"tools": {"name": "a"}}') == (2, None, "tools is not a list")


@pytest.mark.parametrize("document", ["7", '"tools"', "null", '["a"]'])
def test_a_document_that_is_no_object_is_refused(document: str) -> None:
    assert refused("a.json", document) == (1, None, "the document must be an object with lists such as tools")


@pytest.mark.parametrize(
    ("file", "text", "line", "key"),
    [
        ("a.json", '{"tools": [\n{"name": "a"},\n{"name": "b",\n"entry": "free",\n"name": "c"}]}', 5, "name"),
        ("a.json", '{"tools": [],\n"votes": [],\n"tools": []}', 3, "tools"),
        ("a.json", '{"tools": [],\n"tools": [{"name": "a",\n"name": "b"}]}', 3, "name"),
        ("a.json", '{"tools": [{"name": "a",\n"\\u006eame": "b"}]}', None, "name"),
        ("a.jsonl", '{"type": "tool", "name": "a"}\n{"type": "tool", "name": "a", "name": "b"}', 2, "name"),
    ],
)
def test_a_key_that_stands_twice_is_refused_where_it_comes_again(
    file: str, text: str, line: int | None, key: str
) -> None:
    assert refused(file, text) == (line, None, f"the key {key!r} stands twice in one object")


def test_a_key_with_half_a_surrogate_pair_is_refused_in_words_that_can_be_printed() -> None:
    _, field, message = refused("a.json", '{"tools": [{"name": "a", "\\ud800": 1}]}')
    assert field == "\\ud800"
    assert message.startswith("there is no such field")


@pytest.mark.parametrize("file", ["a.json", "a.jsonl", "standard input"])
@pytest.mark.parametrize("opening", ["[", '{"tools":', '{"type":'])
def test_nesting_without_end_is_refused(file: str, opening: str) -> None:
    assert refused(file, opening * 100_000)[2] == "is nested too deeply to be a catalogue"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"type": "tol", "name": "a"}', "; did you mean 'tool'?"),
        ('{"name": "a"}', "reviewer, tool, review, comparison, vote"),
        ('["tool"]', "reviewer, tool, review, comparison, vote"),
        ('{"type": ["zzz"]}', "reviewer, tool, review, comparison, vote"),
    ],
)
def test_a_line_of_json_without_a_type_we_know_is_refused(line: str, message: str) -> None:
    number, field, said = refused("a.jsonl", '{"type": "tool", "name": "a"}\n' + line)
    assert (number, field) == (2, "type")
    assert said.startswith("every line is an object with a type of reviewer, tool, review, comparison, vote")
    assert said.endswith(message)


# CSV ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ("name,stance,position\nAnn,Doubts.,3", "reviewer", {"name": "Ann", "stance": "Doubts.", "position": 3}),
        ("tool,reviewer,verdict,quote\na,Ann,,Fine.", "review", {"tool": "a", "reviewer": "Ann", "quote": "Fine."}),
        ("left,right,published_at\na,b,-3d", "comparison", {"left": "a", "right": "b", "published_at": "-3d"}),
        ("tool,voter,verdict\na,v1,SHIP", "vote", {"tool": "a", "voter": "v1", "verdict": "ship"}),
        ("name,community,url\na,0%,", "tool", {"name": "a", "community": 0}),
    ],
)
def test_a_table_is_known_by_its_columns(text: str, kind: str, data: dict[str, object]) -> None:
    assert records("a.csv", text) == [(kind, data)]


def test_a_cell_may_have_many_lines() -> None:
    text = 'tool,reviewer,quote\r\na,Ann,"One.\r\nTwo ""2""."\r\nb,Ann,\r\n'
    assert refused("a.csv", text) == (4, "quote", "is missing")
    assert records("a.csv", text.replace("b,Ann,", "b,Ann,Three."))[0][1]["quote"] == 'One.\r\nTwo "2".'


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("name,tagine\na,b", 1, "tagine", "there is no such column; did you mean 'tagline'?"),
        ("name,zzz\na,b", 1, "zzz", "there is no such column; a table of tools has slug, name, tagline, category, "),
        ("name,reviews\na,b", 1, "reviews", "there is no such column; "),
        ("name,entry,Name\na,free,b", 1, "name", "the column stands twice"),
        ("tool,quote\na,b", 1, "reviewer", "a table of reviews needs this column"),
        ("tool,reviewer,verdict\na,b,ship", 1, "quote", "a table of reviews needs this column"),
        ("left\na", 1, "right", "a table of comparisons needs this column"),
        ("\nname,entry\na,free", 1, None, "the first line must name the columns; "),
        ("name,entry\na,free\nb,free,c", 3, None, "has 3 cells where the header has 2; text with a comma goes in"),
        ("name,entry\na,free\n\nb", 4, None, "has 1 cells where the header has 2; "),
        ("name,entry\na,free\nb,payed", 3, "entry", "'payed' is not one of free, freemium, paid; did you mean 'pai"),
        ("name,entry\n,free", 2, "name", "is missing"),
        ("name,panel_ship\na,half", 2, "panel_ship", "'half' is not a whole number"),
        ("name,panel_ship\na,-1", 2, "panel_ship", "'-1' is not a whole number"),
        ("name,panel_ship\na,²", 2, "panel_ship", "'²' is not a whole number"),
        ("name,panel_ship\na,175%", 2, "panel_ship", "175 is out of range; it goes from 0 to 100"),
        ("name,panel_ship\na," + "9" * 5000, 2, "panel_ship", ""),
        ("name,tagline\na,b\x00", 2, "tagline", "has the character U+0000"),
        ('name,tagline\na,"b"c', 2, None, "is not CSV: ',' expected after '\"'"),
        ('name,tagline\na,b\nc,"d\ne,f\ng,h', 3, None, "a quotation mark opens here and never closes"),
        ('"name\n,tagline\n', 1, None, "a quotation mark opens here and never closes"),
        ("name,tagline\na,b\nc," + "x" * 140_000, 3, "tagline", "has 140000 characters; 300 is the most"),
        ("name,tagline\na,b\nc," + "x" * 1_100_000, 3, None, "a quotation mark opens here and closes too far on, or a"),
    ],
)
def test_a_wrong_table_is_refused_with_line_and_column(text: str, line: int, field: str | None, message: str) -> None:
    number, found, said = refused("a.csv", text)
    assert (number, found) == (line, field)
    assert said.startswith(message)


def test_every_format_can_be_named() -> None:
    assert set(FORMATS) == {"json", "jsonl", "csv", "page"}
