"""Processes of their own for the measurements: `digest` commands, and a simulated provider that outlives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from digest.resources import resource
from digest.sources import holds_secret

COMMAND = (sys.executable, "-m", "digest")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
IN_PART = 3
"""What `digest` exits with where something is left to do: see docs/cli.md."""


def options(values: Mapping[str, object]) -> list[str]:
    """Give settings as options of `digest`; secrets as files of their own, for it takes none from a command line."""
    given = []
    for name, value in values.items():
        if holds_secret(name):
            file = Path(tempfile.mkdtemp(prefix="digest-bench-")) / name
            file.write_text(str(value))
            given += ["--set", f"{name}_file={file}"]
        else:
            given += ["--set", f"{name}={value}"]
    return given


def digest(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> tuple[int, Any]:
    """Run a command with ``--json`` in a folder; give its exit code and what it prints.

    Raises:
        RuntimeError: the code is none of those expected; with what the command said.
    """
    done = subprocess.run(
        [*COMMAND, "--json", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise RuntimeError(f"digest {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None


def prepare(folder: Path, readers: int) -> list[str]:
    """Make a store with an approved issue for so many readers; give their addresses."""
    addresses = [f"reader{number}@example.com" for number in range(readers)]
    rows = ["email,name", *(f"{address},Reader {number}" for number, address in enumerate(addresses))]
    (folder / "readers.csv").write_text("\n".join(rows))
    digest(folder, "import", str(resource("db", "sample")))
    digest(folder, "subscribers", "import", "readers.csv")
    digest(folder, "draft", "--since", "-7d")
    digest(folder, "approve", "1")
    return addresses


class Simulated:
    """A provider, simulated by `digest simulate` from `__enter__` to `__exit__`.

    What it accepted is in a file of its own, a line each, which is written before it answers; with the `bodies` where
    they are wanted.
    """

    def __init__(
        self,
        provider: str,
        folder: Path,
        faults: Mapping[str, object],
        options: Mapping[str, object],
        *,
        bodies: bool = False,
    ) -> None:
        self._file = folder / "accepted.jsonl"
        self._command = [*COMMAND, "--json", "simulate", provider, "--port", "0", "--record", str(self._file)]
        self._command += ["--bodies"] if bodies else []
        for name, value in faults.items():
            self._command += ["--fault", f"{name}={value}"]
        for name, value in options.items():
            self._command += ["--option", f"{name}={value}"]
        self._url = ""
        self.settings: dict[str, str] = {}
        self.summary: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the simulator did not start")
        begun = json.loads(line)
        self._url, self.settings = begun["url"], begun["usage"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        printed = self._process.communicate()[0]
        self.summary = json.loads(printed) if printed.strip() else {}

    def misbehave(self, faults: Mapping[str, object]) -> None:
        """Have these faults from now on and no others, where it speaks HTTP."""
        if self._url.startswith("http"):
            httpx.post(f"{self._url}/_simulator/faults", json=dict(faults)).raise_for_status()

    def copies(self) -> Iterator[dict[str, Any]]:
        """Give each copy that it has accepted so far."""
        with self._file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
