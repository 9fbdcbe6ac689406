"""The check `mjml`: is every element and attribute of the mail's MJML one that MJML knows?

Our renderer, mrml, says nothing of an element or an attribute it does not know: a typing error only shows as
something missing in the mail. What is known comes from ``data/mjml.json`` (see ``data/LICENSES.md``), which holds
what the reference implementation checks by, https://documentation.mjml.io/#validating-mjml.

A template makes many elements, so a trouble is told with the line of the template: `mark` writes the line into
every start tag of a template before Jinja2 renders it, and `examine` reads what came out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html.entities import html5
from pathlib import Path
from typing import Any, Literal
from xml.parsers import expat

from digest.errors import nearest
from digest.issue.checks.model import Finding

CHECK = "mjml"
MARK = "digest-at"
"""The attribute that carries a template's name and line."""

ANYWHERE = ("css-class", "mj-class")
"""Attributes that every element takes."""

_QUOTED = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
_JINJA = rf"""\{{\#.*?\#\}}|\{{%(?:{_QUOTED}|[^"'])*?%\}}|\{{\{{(?:{_QUOTED}|[^"'])*?\}}\}}"""
_TAG = re.compile(rf"<!--.*?-->|<!\[CDATA\[.*?\]\]>|{_JINJA}|(?P<tag><(?:[A-Za-z][\w:.-]*|(?=\{{\{{)))", re.DOTALL)
_REST = re.compile(rf"""(?:{_JINJA}|"(?:{_JINJA}|[^"])*"|'(?:{_JINJA}|[^'])*'|[^<>"'])*?(?=/?>)""", re.DOTALL)
_MARKED = re.compile(rf'{MARK}="([^"]*)"'.encode())
_REASONS = {
    "XML_ERROR_INVALID_TOKEN": "a character stands where none may, such as a bare & or <",
    "XML_ERROR_UNCLOSED_TOKEN": "a tag is begun and not ended with >",
    "XML_ERROR_DUPLICATE_ATTRIBUTE": "a tag has the same attribute twice",
    "XML_ERROR_NO_ELEMENTS": "an element is not closed before the end, or there is none at all",
    "XML_ERROR_JUNK_AFTER_DOC_ELEMENT": "there is something after </mjml>",
    "XML_ERROR_UNCLOSED_CDATA_SECTION": "a CDATA section is not closed with ]]>",
}
_SILENT = "the renderer leaves it out without a word."


def mark(source: str, name: str) -> str:
    """Write ``digest-at="NAME:LINE"`` into every start tag of a template's source, the line being that of its ``<``.

    Jinja2's blocks, XML comments and closing tags stay as they are, and no line moves. Where Jinja2 makes a part of
    an element's name (``<h{{ level }}>``) the mark stands at the tag's end.
    """
    made, done = [], 0
    for found in _TAG.finditer(source):
        if found["tag"] is None:
            continue
        at = found.end()
        if source.startswith("{", at):
            rest = _REST.match(source, at)
            if rest is None:
                continue
            at = rest.end()
        line = source.count("\n", 0, found.start()) + 1
        made += [source[done:at], f' {MARK}="{name}:{line}"']
        done = at
    return "".join(made) + source[done:]


def mark_template(source: str, name: str) -> str:
    """Mark a template's tags, and its beginning: text before its first tag is its own too."""
    begins = f'<!--{MARK}="{name}:1"-->' if name.endswith(".mjml") else ""
    return begins + mark(source, name)


def examine(marked: str, folder: str = "templates/email") -> list[Finding]:
    """Look at the MJML that marked templates gave.

    A trouble is told once for a place in a template, however many elements that place made. Each one blocks: what
    MJML does not know is missing in the mail.

    Args:
        marked: the rendered MJML, with the marks of `mark` in it.
        folder: where the templates lie, for `where`; empty where the marks have whole paths.
    """
    known = load_mjml()
    reading = _Reading(known, folder)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.UseForeignDTD(True)  # so that &nbsp; and its like, which HTML knows, are no error of XML
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.SkippedEntityHandler = reading.entity
    data = marked.encode()
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        marks = _MARKED.findall(data, 0, parser.ErrorByteIndex)
        place = marks[-1].decode() if marks else ""
        reading.tell(
            place, f"the MJML is not well-formed: {reading.reason(error)}", "Mend the template here or just below."
        )
    else:
        reading.finish()
    if reading.found:
        return list(reading.found.values())
    return [Finding(CHECK, "pass", f"{reading.count} elements, all known to MJML {known.version}")]


@dataclass(frozen=True)
class Known:
    """What MJML knows: `version` such as ``5.4``, and by an element's name what it takes."""

    version: str
    colors: tuple[str, ...]
    children: Mapping[str, frozenset[str]]
    attributes: Mapping[str, Mapping[str, tuple[str, ...]]]
    ending: frozenset[str]
    """Elements that hold text or HTML, which MJML hands on as it is."""

    def parents(self, name: str) -> list[str]:
        """Give the elements that an element may stand in, other than where defaults are set."""
        defaults = ("mj-attributes", "mj-class")
        return sorted(each for each, children in self.children.items() if name in children and each not in defaults)


@cache
def load_mjml() -> Known:
    """Read ``data/mjml.json``, once."""
    raw: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "mjml.json").read_text(encoding="utf-8"))
    elements: dict[str, dict[str, Any]] = raw["elements"]
    attributes: dict[str, dict[str, tuple[str, ...]]] = {
        name: {key: (kind,) for key, kind in of["attributes"].items()} for name, of in elements.items()
    }
    children = {name: frozenset(of["children"]) for name, of in elements.items()}
    every: dict[str, tuple[str, ...]] = {}
    for name in elements.keys() - {"mjml"}:
        for key, kinds in attributes[name].items():
            every[key] = tuple(sorted({*every.get(key, ()), *kinds}))
    # Defaults: in mj-attributes stand components with their own attributes, and two elements that take those of all.
    components = frozenset(name for name in elements if attributes[name] and name not in ("mjml", "mj-class"))
    attributes |= {"mj-all": every, "mj-class": every | {"name": ("string",)}}
    children |= {"mj-attributes": components | {"mj-all", "mj-class"}, "mj-class": components}
    return Known(
        version=".".join(raw["version"].split(".")[:2]),
        colors=tuple(raw["colors"]),
        children=children,
        attributes=attributes,
        ending=frozenset(name for name, of in elements.items() if of["ending"]),
    )


Holds = Literal["elements", "text", "anything"]
"""What may stand in an element: MJML's elements; text and HTML; or whatever is there, as it is in error itself."""


@dataclass(frozen=True)
class _Open:
    """An element that is not closed yet."""

    name: str
    place: str
    holds: Holds


@dataclass
class _Reading:
    """What expat has come across so far."""

    known: Known
    folder: str
    count: int = 0
    found: dict[tuple[str, str], Finding] = field(default_factory=dict)
    opened: list[_Open] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    classed: list[tuple[str, str]] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        parent = self.opened[-1] if self.opened else _Open("", "", "anything")
        place = attributes.pop(MARK, parent.place)
        mjml = name == "mjml" or name.startswith("mj-")
        self.count += mjml
        trouble = self.misplaced(name, parent)
        if trouble:
            self.tell(place, *trouble)
        if mjml and name in self.known.children and parent.holds != "text":
            self.attributes(name, place, attributes)
            if parent.name == "mj-attributes" and name == "mj-class":
                self.classes.add(attributes.get("name", ""))
            self.classed += [(place, each) for each in attributes.get("mj-class", "").split()]
        holds: Holds = "elements" if name in self.known.children else "anything"
        if name in self.known.ending or parent.holds == "text":
            holds = "text"
        self.opened.append(_Open(name, place, holds))

    def end(self, _name: str) -> None:
        self.opened.pop()

    def text(self, text: str) -> None:
        parent = self.opened[-1]
        if parent.holds == "elements" and text.strip():
            what = f"the text “{' '.join(text.split())[:30]}” stands directly in {parent.name}, where it is not shown"
            self.tell(parent.place, what, "Put it into mj-text.")

    def entity(self, name: str, _parameter: bool) -> None:
        if f"{name};" not in html5:
            names = {each[:-1] for each in html5 if each.endswith(";")}
            self.tell(self.opened[-1].place, f"HTML has no character &{name};{nearest(name, names)}", "Mend its name.")

    def misplaced(self, name: str, parent: _Open) -> tuple[str, str] | None:
        """Say what is wrong with an element's name or place, and what to do."""
        known = name in self.known.children
        if name.startswith("mj-") and parent.holds == "text":
            return f"{name} stands in {parent.name}, which holds HTML", f"Move it out of {parent.name}; {_SILENT}"
        if name.startswith("mj-") and not known:
            hint = nearest(name, self.known.children)
            return f"MJML {self.known.version} has no element {name}{hint}", f"Mend its name or take it out; {_SILENT}"
        if parent.holds != "elements":
            return None
        if not known:
            return f"HTML's <{name}> stands directly in {parent.name}", "Put it into mj-text or mj-raw."
        if name not in self.known.children[parent.name]:
            places = ", ".join(self.known.parents(name)) or "the top of the mail"
            return (
                f"{name} stands in {parent.name}, where MJML has no place for it",
                f"Move it; it may stand in {places}.",
            )
        return None

    def attributes(self, name: str, place: str, attributes: Mapping[str, str]) -> None:
        """Look at the attributes of an element that MJML knows."""
        allowed = self.known.attributes[name]
        for key, value in attributes.items():
            if key in ANYWHERE:
                continue
            if key not in allowed:
                what = f"{name} has no attribute {key}{nearest(key, (*allowed, *ANYWHERE))}"
                self.tell(place, what, f"Mend its name or take it out; {_SILENT}", key=f"{name} {key}")
            elif not any(_pattern(kind, self.known.colors).fullmatch(value) for kind in allowed[key]):
                wanted = " or ".join(_words(kind) for kind in allowed[key])
                what = f"{key}={value!r} of {name} is not {wanted}"
                self.tell(place, what, f"Give {key} {wanted}.", key=f"{name} {key} value")

    def tell(self, place: str, what: str, todo: str, key: str = "") -> None:
        """Note a trouble, unless the same is noted of its place in the template."""
        where = "/".join(part for part in (self.folder, place) if part)
        self.found.setdefault((where, key or what), Finding(CHECK, "block", what, where, todo))

    def reason(self, error: expat.ExpatError) -> str:
        """Say in plain words why expat cannot read on."""
        code = next((name for name in _REASONS if expat.errors.codes[getattr(expat.errors, name)] == error.code), None)
        if code:
            return _REASONS[code]
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]:
            last = self.opened[-1]
            return f"a closing tag does not fit <{last.name}>, which {last.place or 'the mail'} opens"
        return expat.ErrorString(error.code)

    def finish(self) -> None:
        """Look at what can only be told at the end: classes that nothing defines."""
        for place, name in self.classed:
            if name not in self.classes:
                what = f"no mj-class in mj-attributes is called {name!r}{nearest(name, self.classes)}"
                self.tell(place, what, "Mend its name, or define it in mj-attributes; an undefined one does nothing.")


@cache
def _kind(kind: str) -> tuple[str, tuple[str, ...], int, int]:
    """Take MJML's word for a type apart: ``unit(px,%){1,4}`` is unit, (px, %), 1, 4."""
    found = re.fullmatch(r"(\w+)(?:\((.*)\))?(?:\{(\d),?(\d)?\})?", kind)
    if found is None:
        raise ValueError(f"mjml.json: {kind!r} is no type we know")
    least = int(found[3] or 1)
    return found[1], tuple((found[2] or "").split(",")), least, int(found[4] or least)


@cache
def _pattern(kind: str, colors: tuple[str, ...]) -> re.Pattern[str]:
    """Give the pattern of the values a type takes."""
    name, options, least, most = _kind(kind)
    if name in ("unit", "unitWithNegative"):
        sign = "-?" if name == "unitWithNegative" else ""
        units = "|".join(re.escape(each) for each in options if each != "auto")
        one = rf"(?:{sign}(?:\d+\.?\d*|\.\d+)(?:{units})|0{'|auto' if 'auto' in options else ''})"
        return re.compile(rf"{one}(?: {one}){{{least - 1},{most - 1}}}")
    if name == "color":
        return re.compile(rf"#(?:[0-9a-f]{{3}}){{1,2}}|rgba?\([\d\s.,%]+\)|{'|'.join(colors)}", re.IGNORECASE)
    values = {
        "enum": "|".join(map(re.escape, options)),
        "boolean": "true|false",
        "integer": r"\d+",
        "string": "(?s:.*)",
    }
    return re.compile(values[name])


def _words(kind: str) -> str:
    """Say what a type takes, such as “1 to 4 sizes in px or %”."""
    name, options, least, most = _kind(kind)
    units = " or ".join(each for each in options if each not in ("", "auto"))
    sizes = f"{least} to {most} sizes" if most > least else "a size"
    return {
        "color": "a colour that MJML knows, such as #2b2380",
        "enum": f"one of {', '.join(options)}",
        "boolean": "true or false",
        "integer": "a whole number",
        "string": "a text",
    }.get(name, f"{sizes} in {units}{' or no unit' if '' in options else ''}{' or auto' if 'auto' in options else ''}")
