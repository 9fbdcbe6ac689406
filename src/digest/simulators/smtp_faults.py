"""What goes wrong on purpose with SMTP, where an answer comes at every step of a message."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from digest.simulators.given import made_of

Stage = Literal["connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body", "content", "RSET"]
"""`body` is the middle of a message, `content` its end, after the final dot."""
Action = Literal["drop", "accept and drop", "half", "garbage", "slow"]


class Step(NamedTuple):
    """Where a connection is: its number and that of the message on it, from 1, and the address, where one is told."""

    stage: Stage
    connection: int
    message: int
    address: str = ""


Script = Callable[[Step], "str | None"]
"""What goes wrong at a step: an `Action`, or a reply such as ``450 4.2.0 Greylisted``; None is nothing."""


@dataclass(frozen=True)
class SmtpFaults:
    """How often what goes wrong, as a share of the messages from 0 to 1.

    `mail_4`, `rcpt_4`, `rcpt_5`, `data_4`, `content_4`, `content_5`: a command is refused, for now or for good.
    `closing`: MAIL is answered with 421. `reset_body`: the connection is reset in the middle of a message.
    `reset_before`, `reset_after`: it is reset after the final dot, before or after the message is accepted. `half`,
    `garbage`, `slow`: it is accepted, and the answer breaks off, makes no sense, or takes `slow_s` seconds.
    `latency_s`: every message takes so long.
    """

    mail_4: float = 0
    rcpt_4: float = 0
    rcpt_5: float = 0
    data_4: float = 0
    content_4: float = 0
    content_5: float = 0
    closing: float = 0
    reset_body: float = 0
    reset_before: float = 0
    reset_after: float = 0
    half: float = 0
    garbage: float = 0
    slow: float = 0
    slow_s: float = 2
    latency_s: float = 0
    seed: int = 1

    @classmethod
    def of(cls, given: dict[str, str]) -> Self:
        """Make them of texts, such as those of a command line.

        Raises:
            ValueError: an unknown name, or no number.
        """
        return made_of(cls, given, called="fault")

    def script(self) -> Script:
        """Draw what goes wrong with each step; the same seed draws the same."""
        draw = random.Random(self.seed)  # noqa: S311 (nothing secret)
        chances: dict[str, list[tuple[float, str]]] = {
            "MAIL": [(self.closing, "421 4.3.2 Shutting down"), (self.mail_4, "451 4.3.0 Try again later")],
            "RCPT": [(self.rcpt_4, "450 4.2.0 Greylisted"), (self.rcpt_5, "550 5.1.1 No such user")],
            "DATA": [(self.data_4, "451 4.3.0 Try again later")],
            "body": [(self.reset_body, "drop")],
            "content": [
                (self.content_4, "452 4.3.1 Insufficient system storage"),
                (self.content_5, "554 5.7.1 Message refused"),
                (self.reset_before, "drop"),
                (self.reset_after, "accept and drop"),
                (self.half, "half"),
                (self.garbage, "garbage"),
                (self.slow, "slow"),
            ],
        }

        def decide(step: Step) -> str | None:
            at = draw.random()
            for share, action in chances.get(step.stage, ()):
                at -= share
                if at < 0:
                    return action
            return None

        return decide
