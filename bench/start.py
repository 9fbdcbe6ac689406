"""How long `digest serve` takes to start, and what memory it has when nothing happens.

    python bench/start.py [--repeats 10] [--idle 5] [--json]

A new process each time, from its start to the first 200 of `/readyz`, asked again and again on a store with the sample
catalogue; the baseline, in the same run, is an empty page of the same framework and server (FastAPI under uvicorn).
The memory is what the kernel says the process has in RAM (VmRSS), and of that what is its own (Pss, where it says so),
after so many seconds in which nobody asked for anything. Medians.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from digest import times
from digest.catalogue.importing import gather, import_files
from digest.resources import resource
from digest.settings import Settings
from digest.store import open_store
from processes import COMMAND, ENVIRONMENT
from web import EMPTY, free_port


def prepare(folder: Path) -> None:
    """Make a store with the sample catalogue."""
    settings = Settings(db=folder / "digest.db")
    with closing(open_store(settings.db, create=True)) as db:
        import_files(db, gather([str(resource("db", "sample"))], bytes), now=times.now(), zone=settings.zone)


def answers(port: int, path: str) -> bool:
    """Tell whether a server answers with 200; without a client that takes longer to load than a server to start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in line.recv(100)
    except OSError:
        return False


def memory(pid: int) -> dict[str, float]:
    """Give what a process has in memory, in MB."""
    found = {}
    for name, file in (("VmRSS", "status"), ("Pss", "smaps_rollup")):
        if match := re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE):
            found[name] = int(match[1]) / 1024
    return found


def start(command: list[str], folder: Path, port: int, path: str, idle: float) -> tuple[float, float, dict[str, float]]:
    """Start a server; give the seconds to its first answer, the processor's by then, and its memory after a while."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        while not answers(port, path):
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError("it does not start")
            time.sleep(0.005)
        took = time.perf_counter() - began
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        processor = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        time.sleep(idle)
        return took, processor, memory(process.pid) if idle else {}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure both."""
    found: dict[str, Any] = {"load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for kind in ("digest serve", "an empty page"):
            runs = []
            for run in range(wanted.repeats):
                port = free_port()
                own = [*COMMAND, "serve", "--port", str(port)]
                command = own if kind == "digest serve" else [sys.executable, "-c", EMPTY, str(port)]
                path = "/readyz" if kind == "digest serve" else "/"
                runs.append(start(command, folder, port, path, wanted.idle if run == 0 else 0))
            found[kind] = {
                "first_answer_s": round(statistics.median(run[0] for run in runs), 2),
                "processor_s": round(statistics.median(run[1] for run in runs), 2),
                "idle_mb": {name: round(value) for name, value in runs[0][2].items()},
            }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--idle", type=float, default=5.0, help="seconds before its memory is looked at")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    result = measure(wanted)
    if wanted.json:
        print(json.dumps(result, indent=2))
        return
    for kind, found in result.items():
        print(f"{kind}: {found}")


if __name__ == "__main__":
    main()
