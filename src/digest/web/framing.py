"""Mails shown in a frame: a document of its own, under a policy of its own.

A mail has its styles in its tags, which our own pages may not have. No script of it ever runs (there is no
`script-src`, and the sandbox has no `allow-scripts`), no form of it is ever sent, and it loads nothing but pictures.

https://www.w3.org/TR/CSP3/, https://html.spec.whatwg.org/multipage/browsers.html#sandboxing
"""

from __future__ import annotations

from digest.settings import Settings
from digest.web.pages import origin_of

OWN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}
"""Nobody keeps it, no search engine lists it, and who is linked to does not learn where it was shown."""

_POPUPS = "allow-popups allow-popups-to-escape-sandbox"


def mail_headers(settings: Settings, *, pictures: bool = True, reachable: bool = False) -> dict[str, str]:
    """Give what a mail is shown under. Its links open tabs of their own, which are not in the sandbox.

    `reachable` lets the page around it, of our own origin, reach into it, to keep the place one has scrolled to. It
    gives the mail nothing: what it could do with our origin takes a script.
    """
    logo = f" {origin_of(settings.logo_url)}" if settings.logo_url else ""
    shown = f"img-src https: data:{logo}" if pictures else "img-src 'none'"
    return OWN | {"Content-Security-Policy": _policy("'unsafe-inline'", shown, reachable, _POPUPS)}


def document_headers(*, reachable: bool = False) -> dict[str, str]:
    """Give what a document of ours in such a frame is shown under: our own style sheets, and no script either."""
    return OWN | {"Content-Security-Policy": _policy("'self'", "img-src 'none'", reachable, "")}


def _policy(styles: str, pictures: str, reachable: bool, allowed: str) -> str:
    sandbox = " ".join(filter(None, ("sandbox", "allow-same-origin" if reachable else "", allowed)))
    return (
        f"default-src 'none'; style-src {styles}; {pictures}; form-action 'none'; base-uri 'none';"
        f" frame-ancestors 'self'; {sandbox}"
    )
