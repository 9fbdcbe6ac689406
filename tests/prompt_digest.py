"""A `digest` that begins at once: a process that has imported it forks for each call.

Importing it takes most of the time of a short command, and a test that types twenty of them would do it twenty times.
What is called is the same: arguments, environment, folder, input and output are the caller's, and so is the exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

CALL = """\
#!{python} -SIE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n"
    socket.send_fds(line, [call[:1]], [0, 1, 2])
    line.sendall(call[1:])
    sys.exit(int(line.recv(8) or 70))
"""


@contextlib.contextmanager
def prompt_digest(command: Path) -> Iterator[None]:
    """Have a command of this name that calls `digest`, for a block."""
    # In a folder with a short name: an address of a socket has at most some hundred characters.
    with tempfile.TemporaryDirectory(prefix="digest-") as folder:
        address = str(Path(folder, "socket"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            answering = subprocess.Popen([sys.executable, __file__], stdin=listening.fileno())
        command.write_text(CALL.format(python=sys.executable, address=address))
        command.chmod(0o755)
        try:
            yield
        finally:
            answering.kill()
            answering.wait()


def _answer() -> None:
    """Fork for each call that comes in at the socket that standard input is."""
    from digest.cli import cli

    # What each call would load.
    for _ in cli.commands.values():
        pass

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as listening:
        while True:
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _call(line)
            line.close()


def _call(line: socket.socket) -> None:
    """Do what a call asks, and end."""
    from digest.cli import main

    first, files, _, _ = socket.recv_fds(line, 1, 3)
    with line.makefile("rb") as rest:
        arguments, folder, environment = json.loads(first + rest.readline())
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["digest", *arguments]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    code: object = 70
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(str(code).encode())
        os._exit(0)


if __name__ == "__main__":
    _answer()
