"""What the commands say of readers' topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from digest.sending.topics import Report
from digest.sending.topics_words import told

__all__ = ["as_dict", "told"]


def as_dict(report: Report | None) -> dict[str, Any] | None:
    """Give it for JSON."""
    return asdict(report) if report else None
