"""From the templates of a mail to what is mailed: Jinja2 into MJML, MJML into lean HTML."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from html import unescape
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from xml.parsers import expat

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    pass_context,
    select_autoescape,
)
from jinja2.ext import Extension
from jinja2.runtime import Context
from markupsafe import Markup
from mjml import mjml2html

from digest.errors import DigestError
from digest.mail import plain, text
from digest.mail.personalise import Address, personal
from digest.mail.theme import Palette
from digest.resources import resource
from digest.settings import Settings

Item = TypeVar("Item")

FONT = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
"""Each system's own; no font is fetched."""

_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_LABEL = re.compile(r'aria-label="[^"]*"(?= aria-roledescription="email")')
_COMMENT = re.compile(r"(<!--\[if[^\]]*\]><!-->|<!--<!\[endif\]-->|<!--\[if.*?<!\[endif\]-->)|<!--.*?-->", re.DOTALL)
"""A comment, of which Outlook's conditional ones are kept."""

_SPACE = re.compile(r"[ \t]*\n\s*")


class TemplateError(DigestError):
    """A template cannot be rendered; the message has its file and line."""


def environment(own: Path | None = None, *, before: Callable[[str, str], str] | None = None) -> Environment:
    """Make the Jinja2 environment of our mails.

    Args:
        own: a folder whose templates take the place of ours of the same name.
        before: is given each template's source and path, and gives the source to use; the checks mark lines so.
    """
    folders: list[BaseLoader] = [FileSystemLoader(own)] if own else []
    made = Environment(
        loader=ChoiceLoader([*folders, FileSystemLoader(resource("templates", "email"))]),
        autoescape=select_autoescape(enabled_extensions=("mjml",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_authors_text,
        extensions=[_altering(before)] if before else [],
    )
    made.filters |= {
        "attribute": text.attribute,
        "excerpt": text.excerpt,
        "figure": text.figure,
        "first_ones": _first_ones,
        "ours": _ours,
        "isolated": text.isolated,
        "markdown": _markdown,
        "paragraphs": text.paragraphs,
        "segment": lambda slug: quote(slug, safe=""),
        "short": lambda name: text.shorten(" ".join(name.split()), 60),
        "turned": _turned,
        "columns": plain.columns,
        "wrap": plain.wrap,
    }
    return made


def _markdown(written: str | None) -> object:
    # Here, because what parses it takes a while to load, and few commands write a mail.
    from digest.mail import markdown

    return markdown.groups(written)


def look(settings: Settings) -> dict[str, Any]:
    """Give what every template may use: the settings, the palettes, the direction of writing, the site."""
    rtl = text.is_rtl_language(settings.language)
    return {
        "settings": settings,
        "site": settings.base_url,
        "personal": partial(personal, settings.base_url),
        "light": Palette.of(settings),
        "FONT": FONT,
        "dark": Palette.of(settings, "_dark"),
        "dir": "rtl" if rtl else "ltr",
        "start": "right" if rtl else "left",
        "end": "left" if rtl else "right",
    }


def fill(made: Environment, name: str, context: Mapping[str, Any]) -> str:
    """Render a template.

    Raises:
        TemplateError: it, or one it includes, is wrong; with its file and line.
    """
    try:
        return made.get_template(name).render(context)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{_shown(error.filename, error.name)}:{error.lineno}: {error.message}") from None
    except RecursionError:
        raise TemplateError(f"a template that {name} needs includes itself") from None
    except Exception as error:  # whatever an operator's own template may do wrong
        what = f"there is no template {error.message!r}" if isinstance(error, TemplateNotFound) else str(error)
        if (place := _unreadable(error) or _template_line(error)) is None and not isinstance(error, TemplateNotFound):
            raise
        raise TemplateError(f"{place}: {what}" if place else what) from error


def to_html(mjml: str) -> str:
    """Compile MJML, and take out comments and the white space that only indents.

    Raises:
        TemplateError: it is not well-formed; `render` says where.
    """
    try:
        html = mjml2html(mjml, disable_comments=False, fonts={})
    except ValueError as error:
        raise TemplateError(f"the templates do not give well-formed MJML: {_near(mjml) or error}") from None
    html = _SPACE.sub("\n", _COMMENT.sub(lambda found: found[1] or "", html))
    # The renderer copies the title into this label, with the escapes of a string of Rust.
    title = _TITLE.search(html)
    return _LABEL.sub(lambda _: f'aria-label="{text.attribute(unescape(title[1]))}"', html, count=1) if title else html


def _near(mjml: str) -> str:
    """What expat says of MJML that is not well-formed, and the line it stumbled over."""
    try:
        expat.ParserCreate().Parse(mjml, True)
    except expat.ExpatError as error:
        line = mjml.split("\n")[error.lineno - 1].strip()
        return f"{expat.ErrorString(error.code)}, near {line[:100]}"
    return ""


def _shown(filename: str | None, name: str | None) -> str:
    """A template's path, short where it is one of ours."""
    ours = resource("templates", "email")
    path = Path(filename or name or "?")
    return f"templates/email/{path.name}" if path.parent == ours else str(path)


def _unreadable(error: BaseException) -> str | None:
    """The template that is not UTF-8; the loader does not say."""
    if not isinstance(error, UnicodeDecodeError):
        return None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "get_source" and "filename" in frame.f_locals:
            return _shown(frame.f_locals["filename"], None)
    return None


def _template_line(error: BaseException) -> str | None:
    """The template and line an error came from; Jinja2 puts them into the traceback."""
    places = [
        f"{_shown(frame.f_code.co_filename, None)}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.endswith((".mjml", ".txt", ".css"))
    ]
    return places[-1] if places else None


def _altering(before: Callable[[str, str], str]) -> type[Extension]:
    class Altering(Extension):
        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            return before(source, _shown(filename, name))

    return Altering


def _authors_text(value: Any) -> Any:
    """Take out of every value what XML cannot carry and what would look like a place of ours.

    Markup is what a macro or a filter of ours made, of values that were cleaned there.
    """
    return text.clean(value) if isinstance(value, str) and not isinstance(value, Address | Markup) else value


@pass_context
def _turned(context: Context, words: str) -> Markup:
    return text.turned(words, context["dir"])


@pass_context
def _ours(context: Context, words: str) -> str:
    """Keep our own English words in their order in a mail that runs from right to left."""
    return f"\N{LEFT-TO-RIGHT ISOLATE}{words}\N{POP DIRECTIONAL ISOLATE}" if context["dir"] == "rtl" else words


def _first_ones(items: Iterable[Item], count: int) -> list[Item]:
    return list(islice(items, count))
