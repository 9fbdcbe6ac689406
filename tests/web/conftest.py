"""What the tests of the web share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving import Clock, Reader, served

from digest.settings import Settings
from digest.store import Database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(sample: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A reader of the site with the sample catalogue."""
    with served(settings, clock) as found:
        yield found
