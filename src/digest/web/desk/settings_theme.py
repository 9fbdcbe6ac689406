"""The theme: colours with their contrast, palettes to begin with, and a mail that shows them before they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.chosen import COLOR_SETTINGS, together
from digest.contrast import AA, is_color
from digest.issue.clients.schemes import in_new_tabs, in_scheme
from digest.issue.sample import sample
from digest.palettes import PALETTES, pairs
from digest.settings import Settings
from digest.web.desk.access import AsOwner, DeskForm
from digest.web.desk.pages import page
from digest.web.desk.settings_fields import typed_in
from digest.web.desk.settings_pages import Asked, save, show
from digest.web.forms import Form
from digest.web.framing import mail_headers
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter(prefix="/desk/settings/theme")

Scheme = Literal["light", "dark"]


@router.api_route("", methods=SEEN)
def theme(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """The theme."""
    return show(Asked(request, our, here, db, now), "theme", _beside)


@router.post("")
def save_theme(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Save it, or fill a ready palette in without saving it."""
    asked = Asked(request, our, here, db, now)
    if (chosen := form.text("palette")) in PALETTES:
        name, colors = PALETTES[chosen]
        own = our.current.own.model_fields_set
        typed = typed_in(form, "theme") | {one: color for one, color in colors.items() if one not in own}
        return show(asked, "theme", _beside, typed=typed, said=f"{name} is filled in, and not saved yet.")
    return save(asked, form, "theme", _beside)


@router.api_route("/preview", methods=SEEN)
def saved_look(our: Our, db: Store, now: Now, here: AsOwner, scheme: Scheme = "light") -> Response:
    """A mail in the look that is saved, for a frame."""
    return _framed(our, db, now, our.settings, scheme)


@router.post("/preview")
def look(our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm, scheme: Scheme = "light") -> Response:
    """A mail in the look that a form has, which may not even be one that could be saved."""
    return _framed(our, db, now, _as_typed(our, form), scheme)


@router.post("/contrast")
def contrasts(request: Request, our: Our, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """How well the colours of a form are read, as a part of the page."""
    settings = _as_typed(our, form)
    context = _contrast({name: getattr(settings, name) for name in COLOR_SETTINGS})
    return page(request, our, here, "settings-contrast.html", context, now=now)


def _framed(our: Our, db: Store, now: Now, settings: Settings, scheme: Scheme) -> Response:
    html = in_new_tabs(in_scheme(sample(db, settings, now=now), scheme))
    return Response(html, headers=mail_headers(settings), media_type="text/html; charset=utf-8")


def _as_typed(our: Our, form: Form) -> Settings:
    """Give the settings in force with the colours and the logo of a form; what is no colour stays as it is.

    Nothing is said of their contrast: one wants to see what cannot be read.
    """
    settings, own = our.settings, our.current.own.model_fields_set
    typed = {name: text for name, text in typed_in(form, "theme").items() if name not in own}
    update: dict[str, Any] = {
        name: text.lower() for name, text in typed.items() if name in COLOR_SETTINGS and is_color(text)
    }
    logo: dict[str, str] = {name: typed[name] for name in ("logo_url", "logo_width") if name in typed}
    try:
        made = together(our.current.own, logo)
        update |= {name: getattr(made, name) for name in logo}
    except ValueError:
        # The form says so when it is saved.
        pass
    return settings.model_copy(update=update)


def _beside(asked: Asked, typed: Mapping[str, str]) -> Mapping[str, Any]:
    saved = asked.our.settings
    colors = {name: typed[name].lower() if is_color(typed[name]) else getattr(saved, name) for name in COLOR_SETTINGS}
    return {"palettes": PALETTES, **_contrast(colors), "unsaved": any(colors[n] != getattr(saved, n) for n in colors)}


def _contrast(colors: Mapping[str, str]) -> dict[str, Any]:
    found = pairs(colors)
    return {
        "AA": AA,
        "pairs": {"light": [one for one in found if not one.dark], "dark": [one for one in found if one.dark]},
        "failing": [one for one in found if not one.passes],
        "least": min(one.ratio for one in found),
        "all": len(found),
    }
