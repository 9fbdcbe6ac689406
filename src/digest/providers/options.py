"""What an operator may set about a provider, beside what only that provider has."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from digest.providers.interface import Pace


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port  # refuses one that is no port
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write it like https://api.example.com")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_web_address)]


class Options(BaseModel):
    """What every provider has; each gives its own documented limits as defaults."""

    # An error must not show the key that stands beside what is wrong.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    calls_a_second: float = Field(0, ge=0, description="Calls begun in a second; 0 is without a limit.")
    copies_a_second: float = Field(0, ge=0, description="Copies handed over in a second; 0 is without a limit.")
    connections: int = Field(4, ge=1, le=64, description="Calls at the same time.")
    a_day: int = Field(0, ge=0, description="Copies a day (UTC) at most; 0 is without a limit.")
    first_day: int = Field(
        0, ge=0, description="Warm-up: copies on the first day of use, twice as many on each next one; 0 is off."
    )
    settling_s: float = Field(
        0, ge=0, description="Seconds after which what it accepted shows when it is asked; its own default where 0."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_blanks_around(cls, value: object) -> object:
        """A key that was read from a file often ends in a line break."""
        return value.strip() if isinstance(value, str) else value

    @property
    def pace(self) -> Pace:
        """The pace these options ask for."""
        return Pace(self.calls_a_second, self.copies_a_second, self.connections, self.a_day, self.first_day)

    def for_letters(self) -> Self:
        """Give the options by which letters go: mail to one person that is no newsletter."""
        return self


class HttpOptions(Options):
    """What every provider with an HTTP API has."""

    timeout_s: float = Field(60, gt=0, le=600, description="Seconds without an answer after which a call is given up.")
