"""The fields of the settings' forms, built of what the settings themselves say: type, limits, description, default."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotated_types import Ge, Le, MaxLen

from digest.chosen import SECTIONS, Section
from digest.settings import SETTINGS
from digest.web.current import Current
from digest.web.desk.settings_words import CHOICES, GROUPS, HINTS, LABELS, YES
from digest.web.forms import Form

Kind = Literal["text", "lines", "number", "choice", "flag", "color"]

WAS = "was."
"""Before a field's name: what it said when the form was shown, so that only what somebody changed is a change."""
_LONGEST = 4_000


@dataclass(frozen=True)
class Field:
    """One setting in a form. `value`, `was` and `default` are as the form writes them.

    `locked` is where the operator set it, and empty where it may be chosen; `problem` is what is wrong with `value`.
    """

    name: str
    label: str
    hint: str
    kind: Kind
    value: str
    was: str
    default: str
    chosen: bool = False
    locked: str = ""
    problem: str = ""
    least: int | None = None
    most: int | None = None
    longest: int | None = None
    options: Mapping[str, str] | None = None
    yes: str = ""

    @property
    def default_words(self) -> str:
        """The default, for a person."""
        if self.kind == "flag":
            return "yes" if self.default == "true" else "no"
        if self.kind == "choice":
            return (self.options or {}).get(self.default, self.default)
        return self.default or "empty"


def fields(
    current: Current,
    section: Section,
    *,
    typed: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> dict[str, Field]:
    """Give the fields of a section by name, in their order; with what somebody typed, and what is wrong with it."""
    laid = current.held().laid
    found = {}
    for name in SECTIONS[section]:
        of = SETTINGS[name]
        was = written(name, getattr(laid.settings, name))
        limits = {type(limit): limit for limit in of.metadata}
        options = CHOICES.get(name)
        found[name] = Field(
            name=name,
            label=LABELS.get(name, name),
            hint=HINTS.get(name, of.description or ""),
            kind=_kind(name),
            value=(typed or {}).get(name, was),
            was=was,
            default=written(name, of.get_default(call_default_factory=True, validated_data={})),
            chosen=name in laid.applied,
            locked=_locked(current, name),
            problem=(problems or {}).get(name, laid.passed_over.get(name, "")),
            least=getattr(limits.get(Ge), "ge", None),
            most=getattr(limits.get(Le), "le", None),
            longest=getattr(limits.get(MaxLen), "max_length", None),
            options={choice: (options or {}).get(choice, choice) for choice in typing.get_args(of.annotation)}
            if typing.get_origin(of.annotation) is Literal
            else None,
            yes=YES.get(name, "Yes"),
        )
    return found


def parts(section: Section, of: Mapping[str, Field]) -> list[tuple[str, list[Field]]]:
    """Part the fields of a section under headings; a page without any has one part without a heading."""
    groups = GROUPS.get(section, (("", tuple(of)),))
    return [(heading, [of[name] for name in names if name in of]) for heading, names in groups]


def typed_in(form: Form, section: Section) -> dict[str, str]:
    """Give what a form says of the settings of a section. A box that is not ticked is not in it: it means no.

    Raises:
        InputError: a field is longer than any setting.
    """
    found = {}
    for name in SECTIONS[section]:
        if name in form or f"{WAS}{name}" in form:
            # Lines keep their ends; a browser writes them as CR LF.
            text = form.text(name, longest=_LONGEST).replace("\r\n", "\n")
            found[name] = (text or "false") if _kind(name) == "flag" else text
    return found


def changed_in(form: Form, typed: Mapping[str, str], current: Current) -> tuple[dict[str, object], dict[str, str]]:
    """Give the settings that somebody changed in a form, as they may be chosen; and what another changed meanwhile."""
    settings = current.held().settings
    changed: dict[str, object] = {}
    crossed: dict[str, str] = {}
    for name, text in typed.items():
        now = written(name, getattr(settings, name))
        was = form.get(f"{WAS}{name}", now).strip().replace("\r\n", "\n")
        if text in (was, now):
            continue
        if was != now and name not in current.own.model_fields_set:
            crossed[name] = f"it was changed meanwhile, to “{now}”; save again to have yours"
        changed[name] = _read(name, text)
    return changed, crossed


def written(name: str, value: Any) -> str:
    """Write a value as a form has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "\n".join(f"{words} = {address}" for words, address in value.items())
    return "" if value is None else str(value)


def told(name: str, value: object) -> str:
    """Write a value of the audit for a person: None is the default."""
    if value is None:
        return "the default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in CHOICES:
        return CHOICES[name].get(str(value), str(value))
    return (
        ", ".join(f"{words} = {address}" for words, address in value.items())
        if isinstance(value, dict)
        else (str(value) or "empty")
    )


def _read(name: str, text: str) -> object:
    """Read what a form says; what is wrong with it says the setting itself."""
    if _kind(name) != "lines":
        return text
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    return {words.strip(): address.strip() for words, _, address in pairs}


def _kind(name: str) -> Kind:
    annotation = SETTINGS[name].annotation
    if name.startswith("color_"):
        return "color"
    if annotation is bool:
        return "flag"
    if annotation is int:
        return "number"
    if typing.get_origin(annotation) is dict:
        return "lines"
    return "choice" if typing.get_origin(annotation) is Literal else "text"


def _locked(current: Current, name: str) -> str:
    """Say where the operator set a setting; nothing where nobody did."""
    if name not in current.own.model_fields_set:
        return ""
    return where(name, current.sources.get(name, ""))


def where(name: str, source: str) -> str:
    """Say where the operator set a setting, as somebody would look for it."""
    match source:
        case "":
            return "The operator"
        case "default":
            return ""
        case "environment":
            return f"The environment (DIGEST_{name.upper()})"
        case "command line":
            return "The command line of digest serve"
        case _:
            return source
