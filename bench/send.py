"""How fast `digest send` hands an issue of 60 KB to a provider, beside what others would do.

    python bench/send.py [--recipients 100000] [--mode merge|bodies] [--repeats 3] [--baseline-recipients N]
        [--connections N] [--set NAME=VALUE]... [--json]

A real SQLite file and real HTTP, to a sink in a process of its own (bench/sink.py), and everything included that one
sending needs: freezing the audience, the ledger on the disk (claimed before, recorded after each call), a signed
token for each copy. `merge` is Mailgun, the body once and a thousand recipients' values a call; `bodies` is Resend, a
hundred whole messages a call. The provider's rate limit is switched off.

The rate is that of the time from the freeze to the settled issue; `whole process` has Python's start too. The
baselines, in the same run against the same sink, are of bench/baselines.py: django-anymail, which has no ledger and
is given addresses and tokens; and Jinja for each copy with json.dumps. Medians of several runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from digest import times
from digest.issue import issues
from digest.issue.preview import message_of
from digest.providers.interface import Segments
from digest.resources import resource
from digest.store import open_store
from processes import COMMAND, ENVIRONMENT, digest, options

HERE = Path(__file__).parent
Mode = Literal["merge", "bodies"]
BATCH = {"merge": 1000, "bodies": 100}
BASELINES = {"merge": ("anymail-mailgun", "jinja-json"), "bodies": ("anymail-resend", "jinja-json")}
NAMES = {
    "anymail-mailgun": "django-anymail, Mailgun",
    "anymail-resend": "django-anymail, Resend (one body for all)",
    "jinja-json": "Jinja a copy + json.dumps",
}


@dataclass(frozen=True)
class Run:
    """One `digest send`: times in seconds, memory in MB."""

    settling_s: float
    whole_s: float
    cpu_s: float
    peak_mb: float
    bytes_a_delivery: float


def prepare(folder: Path, recipients: int) -> None:
    """Make a store with an approved issue, and the issue as a template for the baselines."""
    digest(folder, "import", str(resource("db", "sample")))
    digest(folder, "draft", "--since", "-7d")
    digest(folder, "approve", "1")
    with closing(open_store(folder / "digest.db")) as db:
        stamp = times.to_text(datetime.now(UTC))
        db.conn.execute("BEGIN")
        db.conn.executemany(
            "INSERT INTO subscribers (email, email_key, name, state, source, created_at, updated_at)"
            " VALUES (?1, ?1, ?2, 'active', 'bench', ?3, ?3)",
            ((f"reader{number}@example.com", f"Reader {number}", stamp) for number in range(recipients)),
        )
        db.conn.execute("COMMIT")
        content = issues.frozen(db, 1)
        assert content is not None
        message = message_of(content)
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    template = {"subject": message.subject, "html": _template(message.html), "text": _template(message.text)}
    (folder / "issue.json").write_text(json.dumps(template), encoding="utf-8")


def _template(segments: Segments) -> str:
    """Write segments as a Jinja template."""
    quoted = Segments(tuple(f"{{% raw %}}{text}{{% endraw %}}" for text in segments.texts), segments.places)
    return quoted.fill({place: "{{ " + place + " }}" for place in segments.places})


@contextmanager
def sink() -> Iterator[str]:
    """Run the sink; give its address."""
    process = subprocess.Popen([sys.executable, str(HERE / "sink.py")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def settings_for(mode: Mode, url: str, connections: int) -> dict[str, object]:
    """Give the settings that lead to the sink."""
    own: dict[str, object]
    if mode == "merge":
        own = {"provider": "mailgun", "mailgun.url": url, "mailgun.key": "key", "mailgun.domain": "mg.example.com"}
    else:
        own = {"provider": "resend", "resend.url": url, "resend.key": "re_key"}
    name = own["provider"]
    return own | {"batch_size": BATCH[mode], f"{name}.calls_a_second": 0, f"{name}.connections": connections}


def send(folder: Path, given: Mapping[str, object]) -> Run:
    """Send from a fresh copy of the store."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        store = Path(name) / "digest.db"
        shutil.copyfile(folder / "digest.db", store)
        before = _used(store)
        # What the copying left to write is not the sender's to wait for.
        os.sync()
        start = time.perf_counter()
        process = subprocess.Popen(
            [*COMMAND, *options(given), "--json", "send", "1"],
            cwd=name,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        whole = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"digest send ended with {process.returncode}")
        after = _used(store)
        with closing(sqlite3.connect(store)) as db:
            sending_at, sent_at = db.execute("SELECT sending_at, sent_at FROM issues").fetchone()
            (count,) = db.execute("SELECT count(*) FROM deliveries WHERE state = 2").fetchone()
    settling = (times.from_text(sent_at) - times.from_text(sending_at)).total_seconds()
    cpu = usage.ru_utime + usage.ru_stime
    return Run(settling, whole, cpu, usage.ru_maxrss / 1024, (after - before) / count)


def _used(store: Path) -> int:
    """Give the bytes of a store in use, once its log is back in the file."""
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def baseline(way: str, url: str, folder: Path, recipients: int) -> dict[str, float]:
    """Run one of bench/baselines.py; give what it measured of itself."""
    command = [sys.executable, str(HERE / "baselines.py"), way, url, str(folder / "issue.json"), str(recipients)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{way}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure everything, ours and the baselines in turn; give the medians."""
    few = wanted.baseline_recipients or min(wanted.recipients, 20_000 if wanted.mode == "merge" else 2_000)
    ours: list[Run] = []
    theirs: dict[str, list[dict[str, float]]] = {way: [] for way in BASELINES[wanted.mode]}
    with tempfile.TemporaryDirectory() as name, sink() as url:
        folder = Path(name)
        prepare(folder, wanted.recipients)
        html = json.loads((folder / "issue.json").read_text(encoding="utf-8"))["html"]
        for run in range(wanted.repeats):
            print(f"run {run + 1} of {wanted.repeats}", file=sys.stderr)
            ours.append(send(folder, settings_for(wanted.mode, url, wanted.connections) | dict(wanted.set)))
            for way, found in theirs.items():
                found.append(baseline(way, url, folder, few))

    def median(figure: str) -> float:
        return float(statistics.median(getattr(run, figure) for run in ours))

    rate = wanted.recipients / median("settling_s")
    return {
        "mode": wanted.mode,
        "recipients": wanted.recipients,
        "connections": wanted.connections,
        "html_kb": round(len(html.encode()) / 1024, 1),
        "copies_a_second": round(rate),
        "copies_a_second_runs": [round(wanted.recipients / run.settling_s) for run in ours],
        "copies_a_second_whole_process": round(wanted.recipients / median("whole_s")),
        "seconds": round(median("settling_s"), 2),
        "cpu_s": round(median("cpu_s"), 2),
        "copies_a_cpu_second": round(wanted.recipients / median("cpu_s")),
        "peak_mb": round(max(run.peak_mb for run in ours), 1),
        "db_bytes_a_delivery": round(median("bytes_a_delivery"), 1),
        "baselines": {
            way: {
                "recipients": few,
                "copies_a_second": round(base := few / statistics.median(run["seconds"] for run in found)),
                "copies_a_cpu_second": round(few / statistics.median(run["cpu_s"] for run in found)),
                "peak_mb": max(run["peak_mb"] for run in found),
                "ratio": round(rate / base, 1),
            }
            for way, found in theirs.items()
        },
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000, help="a multiple of 100")
    parser.add_argument("--mode", choices=("merge", "bodies"), default="merge")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--baseline-recipients", type=int, default=0)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of digest")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    wanted.set = dict(item.split("=", 1) for item in wanted.set)
    if wanted.recipients % 100 or wanted.baseline_recipients % 100:
        parser.error("recipients come in hundreds: the sink answers full batches")
    result = measure(wanted)
    if wanted.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['mode']}: {result['recipients']} copies, {result['html_kb']} KB of HTML each")
    print(f"{'':<44}{'copies/s':>10}{'of CPU':>10}{'peak MB':>10}{'ratio':>8}")
    rows = [("digest send", {**result, "ratio": ""})]
    rows += [(NAMES[way], found) for way, found in result["baselines"].items()]
    for name, found in rows:
        figures = (found["copies_a_second"], found["copies_a_cpu_second"], found["peak_mb"], found["ratio"])
        print(
            f"{name:<44}"
            + "".join(f"{figure:>{width}}" for figure, width in zip(figures, (10, 10, 10, 8), strict=True))
        )
    print(f"whole process {result['copies_a_second_whole_process']} copies/s; CPU {result['cpu_s']} s;", end=" ")
    print(f"{result['db_bytes_a_delivery']} bytes of the store a delivery; load {result['load']:.1f}")


if __name__ == "__main__":
    main()
