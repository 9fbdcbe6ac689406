"""What systemd is told, on a real socket; a dead part of the server is told by telling nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from digest import systemd
from digest.settings import Settings
from digest.web.app import create_app
from digest.web.pulse import PATIENCE_S, Pulse, Stopping
from digest.web.server import server_of


@pytest.mark.parametrize("abstract", [False, True], ids=["a file", "an abstract socket"])
def test_it_is_told_where_it_listens(tmp_path: Path, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        name = f"@digest-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
        line.bind(f"\0{name[1:]}" if abstract else name)
        line.settimeout(5)
        assert systemd.tell("READY=1", "STATUS=here", environment={"NOTIFY_SOCKET": name})
        assert line.recv(100) == b"READY=1\nSTATUS=here"


def test_nobody_listening_is_no_trouble(tmp_path: Path) -> None:
    assert not systemd.tell("READY=1", environment={})
    assert not systemd.tell("READY=1", environment={"NOTIFY_SOCKET": "relative"})
    assert not systemd.tell("READY=1", environment={"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_it_is_told_twice_as_often_as_asked_for() -> None:
    assert systemd.watchdog_s({"WATCHDOG_USEC": "30000000"}) == 15
    assert systemd.watchdog_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}) == 15
    assert systemd.watchdog_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None
    assert systemd.watchdog_s({"WATCHDOG_USEC": "soon"}) is None
    assert systemd.watchdog_s({}) is None


def test_who_asks_whether_to_stop_is_alive_and_who_does_not_is_silent() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    pulse.expect("MainThread", 1.0)
    pulse.expect("letters", 60.0)
    pulse.beat("a stranger")
    now[0] = PATIENCE_S + 30
    assert not Stopping(pulse).is_set()
    assert pulse.ages() == {"MainThread": 0.0, "letters": PATIENCE_S + 30}
    assert pulse.silent() == {}
    now[0] += 31
    assert pulse.silent() == {"letters": PATIENCE_S + 61}
    pulse.forget("letters")
    assert pulse.silent() == {}


def test_signs_of_life_end_when_a_part_is_silent(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(0.1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2")
        app = create_app(settings, work=False)
        server = server_of(app, settings)
        server.config.load()
        asyncio.run(server.on_tick(1))
        assert line.recv(100) == b"WATCHDOG=1"
        now = [0.0]
        object.__setattr__(app.state.digest, "pulse", Pulse(lambda: now[0]))
        app.state.digest.pulse.expect("letters", 1.0)
        now[0] = PATIENCE_S + 2
        asyncio.run(server.on_tick(2))
        with pytest.raises(TimeoutError):
            line.recv(100)
        app.state.digest.stores.close()
