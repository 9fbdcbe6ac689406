"""Colours together: which of them are read on which, what would pass, and some palettes that do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from digest.contrast import AA, contrast, readable_on
from digest.setting_rules import COLORS
from digest.settings import READ_ON, SETTINGS

WORDS: Mapping[str, str] = {
    "page": "the ground",
    "card": "a card",
    "ink": "text",
    "muted": "quiet text",
    "accent": "links and buttons",
    "ship": "ship",
    "skip": "skip",
    "line": "lines",
}
"""What the colours are called before people."""

_STEPS = 100


@dataclass(frozen=True)
class Pair:
    """A text on a ground: both the names of settings, with the contrast of their colours.

    `text` is empty where it is black or white, whichever reads better. `grounds` are the colours of all grounds that
    the text stands on.
    """

    text: str
    ground: str
    colors: tuple[str, str]
    ratio: float
    grounds: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether it can be read well enough."""
        return self.ratio >= AA

    @property
    def nearest(self) -> str:
        """The colour nearest to the text's that would pass on every ground, where it does not; empty if none would."""
        return "" if self.passes or not self.text else nearest_readable(self.colors[0], self.grounds) or ""

    @property
    def dark(self) -> bool:
        """Whether it is of the dark scheme."""
        return self.ground.endswith("_dark")

    @property
    def bare(self) -> str:
        """The pair in words that do not say which scheme."""
        return self.words.replace(" (dark)", "")

    @property
    def words(self) -> str:
        """The pair in words."""
        return f"{_word(self.text) if self.text else 'black or white'} on {_word(self.ground)}"


def pairs(colors: Mapping[str, str]) -> list[Pair]:
    """Give every text on every ground it stands on: those of the light scheme, then those of the dark one.

    Args:
        colors: ``#rrggbb`` by the setting's name.
    """
    found = []
    for dark in ("", "_dark"):
        grounds: dict[str, list[str]] = {}
        for text, ground in READ_ON:
            grounds.setdefault(text, []).append(colors[f"color_{ground}{dark}"])
        for text, ground in READ_ON:
            one, other = colors[f"color_{text}{dark}"], colors[f"color_{ground}{dark}"]
            names = f"color_{text}{dark}", f"color_{ground}{dark}"
            found.append(Pair(*names, (one, other), contrast(one, other), tuple(grounds[text])))
        for ground in ("accent", "ship"):
            color = colors[f"color_{ground}{dark}"]
            on = readable_on(color)
            found.append(Pair("", f"color_{ground}{dark}", (on, color), contrast(on, color)))
    return found


def nearest_readable(color: str, grounds: Sequence[str]) -> str | None:
    """Give the colour nearest to one that can be read on all the grounds: darker or lighter, whichever is less far.

    It is mixed with black or with white, in steps of a hundredth, so that its hue stays. None where neither helps.
    """
    for step in range(_STEPS + 1):
        for end in (0, 255):
            mixed = _mixed(color, end, step / _STEPS)
            if all(contrast(mixed, ground) >= AA for ground in grounds):
                return mixed
    return None


def _mixed(color: str, end: int, share: float) -> str:
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + (end - part) * share):02x}" for part in parts)


def _word(setting: str) -> str:
    bare = setting.removeprefix("color_")
    return WORDS[bare.removesuffix("_dark")] + (" (dark)" if bare.endswith("_dark") else "")


def _palette(light: str, dark: str) -> dict[str, str]:
    """Read the colours of both schemes, in the order of `COLORS`."""
    return {
        f"color_{name}{scheme}": f"#{color}"
        for scheme, given in (("", light), ("_dark", dark))
        for name, color in zip(COLORS, given.split(), strict=True)
    }


PALETTES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "ours": (
        "Paper and indigo",
        {name: str(SETTINGS[name].default) for name in SETTINGS if name.startswith("color_")},
    ),
    "forest": (
        "Forest",
        _palette(
            "eef2ec ffffff 17211b 536058 1f5a3c 0b6b43 a3341f cfd8cd",
            "121814 1d2520 ecf3ee aebbb2 8fd6ae 67d8a2 ffa08a 3f4b44",
        ),
    ),
    "harbour": (
        "Harbour",
        _palette(
            "edf2f6 ffffff 14202b 50606e 0b5394 0b6b43 a3341f ccd7e0",
            "10171d 1b242c ebf2f8 abb9c5 8cc4ff 67d8a2 ffa08a 3c4954",
        ),
    ),
    "plum": (
        "Plum",
        _palette(
            "f6eff3 ffffff 26171f 685762 7a1f5c 0b6b43 a3341f e0cfd8",
            "1a1318 271d24 f7ecf2 c3b0bb f0a8d8 67d8a2 ffa08a 51434b",
        ),
    ),
    "ink": (
        "Black on white",
        _palette(
            "ffffff f6f6f6 111111 595959 111111 0a6640 9e2f1b d0d0d0",
            "0d0d0d 1a1a1a f5f5f5 b3b3b3 ffffff 67d8a2 ffa08a 474747",
        ),
    ),
    "ember": (
        "Ember",
        _palette(
            "faf1e8 fffdf9 2a1a12 6b5648 9a3412 0b6b43 a12626 e6d5c4",
            "1b140f 29201a f8eee6 c6b3a5 ffb38a 67d8a2 ff9d9d 544638",
        ),
    ),
}
"""By their names: how they are called, and their colours. A test holds each of them to the contrast that text needs."""
