"""The look of a mail: two palettes, one for light and one for dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from digest.contrast import readable_on
from digest.setting_rules import COLORS
from digest.settings import Settings


@dataclass(frozen=True)
class Palette:
    """The colours of one scheme, written ``#rrggbb``; `on_accent` and `on_ship` are texts on those grounds."""

    page: str
    card: str
    ink: str
    muted: str
    accent: str
    ship: str
    skip: str
    line: str

    @classmethod
    def of(cls, settings: Settings, scheme: str = "") -> Self:
        """Take the colours of a scheme, ``""`` or ``"_dark"``, from the settings."""
        return cls(**{name: getattr(settings, f"color_{name}{scheme}") for name in COLORS})

    @property
    def on_accent(self) -> str:
        """Text on the accent, such as a button's."""
        return readable_on(self.accent)

    @property
    def on_ship(self) -> str:
        """The tick on its ground."""
        return readable_on(self.ship)
