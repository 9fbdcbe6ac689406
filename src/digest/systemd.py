"""What a service tells systemd: that it is ready, that it stops, and that it is alive.

The protocol is a datagram of lines to the socket that `NOTIFY_SOCKET` names
(https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html). Without one nothing is said.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

PATIENCE_S = 0.2
"""So long it is waited for where what was told before has not been read."""

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def tell(*lines: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell systemd; give whether it was told. It waits for a moment at most, and never fails."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.settimeout(PATIENCE_S)
        # An "@" stands for the zero byte of an abstract socket (unix(7)).
        line.sendto("\n".join(lines).encode(), b"\0" + address[1:].encode() if address[0] == "@" else address)
        return True
    return False


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """Give how often systemd wants to hear that this process is alive: half the time after which it acts.

    None where it does not, or asks another process.
    """
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    asked = environment.get("WATCHDOG_USEC", "")
    return int(asked) / 2_000_000 if asked.isdecimal() and int(asked) else None
