"""Batches to hand to a provider in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from digest.mail import personalise
from digest.providers import connect
from digest.providers.interface import Batch, Message, Provider, Recipient

T = TypeVar("T")
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"

MESSAGE = Message(
    sender_name="Weekly, Verdicts",
    sender_address="verdicts@example.com",
    reply_to="editor@example.com",
    subject="Two tools & {{one}} verdict – 花子",
    html=personalise.split(
        "<p>[[digest:greeting]] {{not_ours}} %recipient.x% -t- <a href='https://example.com/u/[[digest:token]]'>out</a></p>"
        "<a href='https://example.com/c/[[digest:track]]/1'>on</a><img src='https://example.com/o/[[digest:track]].gif'>",
        tracked=True,
    ),
    text=personalise.split(
        "[[digest:greeting]]\n{{not_ours}} %recipient.x% -t-\nhttps://example.com/u/[[digest:token]]\n"
    ),
    headers={
        "Message-ID": personalise.split("<[[digest:message]]@example.com>"),
        "List-Id": personalise.split("<weekly.example.com>"),
        "List-Unsubscribe": personalise.split("<https://example.com/u/[[digest:token]]>"),
        "List-Unsubscribe-Post": personalise.split("List-Unsubscribe=One-Click"),
        "Feedback-ID": personalise.split("issue-1:weekly:digest:example"),
        "Precedence": personalise.split("bulk"),
    },
)
"""What it has of each dialect's syntax an author wrote, and must arrive as it stands (or look so)."""


def recipient(number: int, address: str = "", name: str = "") -> Recipient:
    """One copy; its name has what HTML, JSON and headers must escape."""
    return Recipient(
        number,
        address or f"reader{number}@example.net",
        {
            "token": f"token{number:019}",
            "message": f"message{number:017}",
            "track": f"track{number:019}",
            "greeting": name or f'Hello <{number}> & "Ü",',
        },
    )


def batch(count: int, *, key: str = KEY, message: Message = MESSAGE, extra: tuple[Recipient, ...] = ()) -> Batch:
    """A batch of so many recipients, numbered from 1, and some more."""
    recipients = tuple(recipient(number) for number in range(1, count + 1)) + extra
    return Batch(7, key, message, recipients, NOW)


def with_provider(name: str, options: dict[str, Any], work: Callable[[Provider], Coroutine[Any, Any, T]]) -> T:
    """Connect to a provider, do some work with it, and close it."""

    async def run() -> T:
        provider = connect(name, options)
        try:
            return await work(provider)
        finally:
            await provider.close()

    return asyncio.run(run())
