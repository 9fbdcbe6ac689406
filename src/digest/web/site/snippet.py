"""The sign-up form for other sites: what to copy, and what it does."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import escape

from digest.audience.consents import sign_up_words
from digest.audience.topics import topics_of
from digest.settings import Settings
from digest.web.abuse.sign_ups import TRAP
from digest.web.pages import version_of
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()


@router.api_route("/embed", methods=SEEN)
def page(request: Request, our: Our, db: Store, now: Now) -> Response:
    """The snippet, to be copied."""
    return our.pages.public(
        request,
        "embed.html",
        lambda: {
            "snippet": snippet(our.settings),
            "topics": topics_of(db),
            "contact": our.settings.reply_to or our.settings.sender_address,
        },
        version=version_of(db, now),
        now=now,
        asked="",
    )


def snippet(settings: Settings) -> str:
    """Give the form as another site's page has it: it works without the script, too."""
    site, words = settings.base_url, escape(sign_up_words(settings))
    return f"""\
<form class="digest-sign-up" method="post" action="{site}/sign-up">
  <label>Email <input type="email" name="email" required autocomplete="email"></label>
  <p hidden><label>Leave this empty <input name="{TRAP}" tabindex="-1" autocomplete="off"></label></p>
  <button>Sign up</button>
  <p><small>{words}</small></p>
</form>
<script src="{site}/static/embed.js" async></script>"""
