"""`digest serve`: where it listens, what it says, how it stops."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import test_command_line
from test_command_line import Run

digest = test_command_line.digest


def test_a_port_that_is_taken_is_named_before_anything_is_made(digest: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ran = digest("serve", "--port", str(port), code=1)
    assert f"port {port} of 127.0.0.1 is taken" in ran.err
    assert "serving" not in ran.err
    assert not Path("digest.db").exists()


@pytest.mark.parametrize("host", ["nobody.invalid", "203.0.113.4"])
def test_a_host_that_is_not_this_machine_is_named(digest: Run, host: str) -> None:
    assert f"--host {host} is no address of this machine" in digest("serve", "--host", host, code=1).err


@pytest.mark.parametrize("proxies", ["nginx", "10.0.0.0/33", "127.0.0.1,proxy"])
def test_a_proxy_that_is_no_address_is_refused(digest: Run, proxies: str) -> None:
    assert "is no network address" in digest("serve", "--set", f"trusted_proxies={proxies}", code=1).err


def test_it_says_where_it_is_and_stops_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digest", "--db", str(tmp_path / "new.db"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "links in mails lead to" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        found = re.search(r"on (http://127\.0\.0\.1:\d+);", said)
        assert found is not None
        assert "which was not there" in said
        # It listens already; the answer comes when it has started.
        assert httpx.get(f"{found[1]}/robots.txt", timeout=20).status_code == 200
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        assert process.wait(20) == 0
    assert said.endswith("digest: stopped\n")
    assert "Traceback" not in said


def test_a_provider_without_its_key_is_told_before_anybody_signs_up(digest: Run) -> None:
    ran = digest("--set", "provider=postmark", "serve", "--port", "0", code=1)
    assert "postmark" in ran.err
    assert "token" in ran.err
    assert not Path("digest.db").exists()
