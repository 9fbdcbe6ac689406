"""What an SMTP server's answers mean: for a copy, for all of them, or for the account.

The first digit decides (RFC 5321, section 4.2.1): 2 is accepted, 4 may be accepted later, 5 will not be. Whom it
concerns is told by the command it answers, and a little by the words (RFC 3463 has codes, which few use alike):
https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html, https://support.google.com/a/answer/3726730.
"""

from __future__ import annotations

import re
from typing import Literal

from digest.providers.interface import AccountError, NotAcceptedError, QuotaError, TryAgainError

Stage = Literal["MAIL", "RCPT", "DATA", "content"]
"""The command that is answered; `content` is the message with its final dot."""

CLOSING = 421
"""The server closes the connection; it may answer so to any command (RFC 5321, section 3.8)."""
TOO_LARGE = 552
_LOGIN = (530, 534, 535, 538)
_PARAMETERS = (503, 504, 555)
_RELAYING = re.compile(r"\brelay", re.IGNORECASE)
_QUOTA = re.compile(r"\b[45]\.4\.5\b|\b(?:daily|hourly|sending)\b[^.]{0,30}\b(?:quota|limit)\b", re.IGNORECASE)
"""As Gmail ("550 5.4.5 Daily user sending limit exceeded") and Amazon ("454 … Daily message quota exceeded") say it."""
_TOO_FAST = re.compile(r"\bthrottl|\bsending rate\b", re.IGNORECASE)
_STATUS = re.compile(r"^\d\.\d+\.\d+\s+")
_QUEUE_ID = re.compile(r"\b(?=\w*\d)[\w.-]{6,}")


class RefusedError(Exception):
    """The server said no to a message, so it has not accepted it. `text` is for a person, on one line.

    `code` is 0 where the server was not even asked, because it had said before what it does not take.
    """

    def __init__(self, stage: Stage, code: int, text: str) -> None:
        super().__init__(f"{stage}: {code} {text}" if code else text)
        self.stage, self.code, self.text = stage, code, text

    @property
    def passes(self) -> bool:
        """Whether the same may be accepted later."""
        return self.code // 100 == 4

    @property
    def about_content(self) -> bool:
        """Whether the message is too large, or not wanted."""
        return not self.passes and (self.stage in ("DATA", "content") or self.code == TOO_LARGE)


class LostError(Exception):
    """The line is gone. After the final dot (`uncertain`) the server may have accepted the message."""

    def __init__(self, reason: str, *, uncertain: bool = False) -> None:
        super().__init__(reason)
        self.uncertain = uncertain


def shared_trouble(error: RefusedError, *, proven: bool) -> NotAcceptedError | None:
    """Tell whether a refusal concerns every copy, and what to do then; None where it is about this one.

    `proven` says that the server has accepted mail: then it does relay for us, and who is refused with these words
    is refused by someone behind it.
    """
    if error.code == CLOSING:
        return TryAgainError(str(error))
    if error.code in _LOGIN:
        return AccountError(f"{error}; the server wants a login, or a better one")
    if _QUOTA.search(error.text):
        return QuotaError(str(error))
    if error.passes and _TOO_FAST.search(error.text):
        return TryAgainError(str(error))
    if error.stage == "MAIL" and not error.about_content:
        return TryAgainError(str(error)) if error.passes else AccountError(str(error))
    if error.stage == "RCPT" and error.code in _PARAMETERS:
        return AccountError(str(error))
    if error.stage == "RCPT" and not error.passes and not proven and _RELAYING.search(error.text):
        return AccountError(f"{error}; does the server know this machine, or does it want a login?")
    return None


def queue_id(words: str) -> str:
    """Give the words of a 250 without their status code where they name a queue id; nothing where they do not."""
    words = _STATUS.sub("", words)
    return words if _QUEUE_ID.search(words) else ""
