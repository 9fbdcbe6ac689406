"""Documents with holes and merge variables: what goes in is what a reader sees, whatever is in it."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import orjson
import pytest
from batches import MESSAGE, recipient
from hypothesis import given
from hypothesis import strategies as st

from digest.mail import personalise
from digest.providers.interface import Recipient, Segments
from digest.providers.merging import MUSTACHE, Dialect, used, variables
from digest.providers.wire import Form, array, body, escaped, hole, inside, values_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PLACED = st.lists(st.sampled_from(("token", "greeting", "message", "track")), max_size=3)
JOINER = "\N{WORD JOINER}"
PERCENT = Dialect(lambda name: f"%recipient.{name}%", re.compile("%(?=recipient)"))


@st.composite
def split_texts(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> Segments:
    places = draw(PLACED)
    return Segments(tuple(draw(texts) for _ in range(len(places) + 1)), tuple(places))


# Documents ----------------------------------------------------------------------------------------------------


def test_a_document_is_filled_at_its_holes() -> None:
    form = Form({"to": [hole("to")], "html": body(personalise.split("<p>[[digest:greeting]]</p>"), escape=True)})
    ada = Recipient(1, "ada@example.net", {"greeting": 'Hello <Ada> & "Ü",'})
    (document,) = orjson.loads(array([form.fill(values_of(ada))]))
    assert document == {"to": ["ada@example.net"], "html": "<p>Hello &lt;Ada&gt; &amp; &quot;Ü&quot;,</p>"}


@given(split_texts(), split_texts(), TEXTS, TEXTS)
def test_any_text_and_value_come_out_as_they_went_in(text: Segments, page: Segments, address: str, name: str) -> None:
    one = Recipient(1, address, {"token": "T-o_k", "message": "M1", "greeting": name, "track": "K_1"})
    form = Form({"to": hole("to"), "text": body(text), "html": body(page, escape=True)})
    filled = array([form.fill(values_of(one)), form.fill(values_of(one))])
    assert (
        orjson.loads(filled)
        == [{"to": address, "text": text.fill(one.values), "html": page.fill(one.values, html.escape)}] * 2
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_an_array_has_as_many_documents_as_there_are(count: int) -> None:
    assert orjson.loads(array([[b'{"a":', b"1}"]] * count)) == [{"a": 1}] * count


def test_a_value_cannot_end_its_string() -> None:
    bad = '"},{"to":"all@example.com'
    (document,) = orjson.loads(array([Form({"to": hole("to")}).fill(values_of(recipient(1, bad)))]))
    assert document == {"to": bad}


def test_what_looks_like_a_hole_is_none() -> None:
    (document,) = orjson.loads(array([Form({"text": "<|to> <to> {to}"}).fill({})]))
    assert document == {"text": "<|to> <to> {to}"}


def test_a_hole_without_a_value_is_noticed() -> None:
    with pytest.raises(KeyError):
        Form({"to": hole("to")}).fill({})


def test_a_form_is_filled_for_one_after_the_other() -> None:
    form = Form({"to": hole("to")})
    first, second = (form.fill({"to": inside(name)}) for name in ("a", "b"))
    assert (b"".join(first), b"".join(second)) == (b'{"to":"a"}', b'{"to":"b"}')


def test_only_what_html_minds_is_escaped() -> None:
    plain = "Hello Ada – 花子,"
    assert escaped(plain) is plain
    assert escaped('<a href="x">&\'') == "&lt;a href=&quot;x&quot;&gt;&amp;&#x27;"


# Merge variables ----------------------------------------------------------------------------------------------


def seen(text: str) -> str:
    """What a reader sees."""
    return text.replace(JOINER, "")


def rendered(template: str, dialect: Dialect, values: dict[str, str]) -> str:
    """Render as a provider does, and find that nothing is left which it would choke on."""
    if dialect is MUSTACHE:
        # Handlebars reads as many braces as it finds.
        found = re.split(r"\{\{([^{}]*)\}\}(?!\})", template)
        assert not any("{{" in part for part in found[0::2])
    else:
        found = re.split(r"%recipient\.([a-z]+)%", template)
        assert not any("%recipient" in part for part in found[0::2])
    found[1::2] = [values[name] for name in found[1::2]]
    return "".join(found)


@pytest.mark.parametrize("dialect", [MUSTACHE, PERCENT])
@given(data=st.data())
def test_whatever_an_author_writes_is_no_variable_and_looks_the_same(dialect: Dialect, data: st.DataObject) -> None:
    # Characters that mean something, and those the check takes away do not.
    alphabet = st.sampled_from(
        ["{", "}", "{{t}}", "{{{", "%", "%recipient", ".t%", "%recipient.t%", "a", "<b>", " ", "é"]
    )
    segments = data.draw(split_texts(st.lists(alphabet, max_size=4).map("".join)))
    values = {"t": "TOKEN", "m": "MESSAGE", "g": "Ada", "h": "Ada", "k": "TRACK"}
    expected = segments.fill({"token": "TOKEN", "message": "MESSAGE", "greeting": "Ada", "track": "TRACK"})
    assert seen(rendered(dialect.text(segments), dialect, values)) == expected
    assert html.unescape(rendered(dialect.html(segments), dialect, values)) == expected


def test_the_greeting_is_escaped_in_html_alone() -> None:
    split = personalise.split("[[digest:greeting]] [[digest:token]] [[digest:message]]")
    assert MUSTACHE.text(split) == "{{g}} {{t}} {{m}}"
    assert MUSTACHE.html(split) == "{{h}} {{t}} {{m}}"


def test_a_brace_beside_a_variable_is_kept_apart_from_its_braces() -> None:
    split = personalise.split("{[[digest:token]]}")
    assert MUSTACHE.text(split) == f"{{{JOINER}{{{{t}}}}{JOINER}}}"
    assert MUSTACHE.html(split) == "&#123;{{t}}&#125;"


def test_a_message_needs_the_variables_it_uses_and_no_more() -> None:
    assert used(MESSAGE) == {"t", "m", "g", "h", "k"}
    assert used(replace(MESSAGE, headers={})) == {"t", "g", "h", "k"}
    assert used(replace(MESSAGE, headers={}, html=Segments(("",)))) == {"t", "g"}
    assert used(replace(MESSAGE, headers={}, text=Segments(("",)))) == {"t", "h", "k"}
    one = recipient(1, name="<Ada>")
    assert variables(one, frozenset({"t", "h"})) == {"t": one.values["token"], "h": "&lt;Ada&gt;"}
    assert variables(one, frozenset({"g"})) == {"g": "<Ada>"}
    assert variables(one, frozenset({"k"})) == {"k": one.values["track"]}
    assert variables(Recipient(1, "", {}), frozenset()) == {}
