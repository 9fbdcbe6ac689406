"""How long importing readers takes, how much memory, and how long another writer of the store waits for it.

    python bench/import_subscribers.py [--rows 1000000] [--json]

Files of made-up readers are imported with `digest subscribers import --yes`, each into a new store on disk: `own` has
the columns email, name and state; `again` is the same file once more; `mailchimp` has the 23 columns of a Mailchimp
export. Memory is flat where it is not far over that of `own, a tenth`, which has a tenth of the rows. All times are
those of the whole process, its start included; memory is its peak. The baseline, in the same run, is sqlite-utils'
`insert_all` of the same file into a table with the address as its key: it checks no address, no name and no state, and
knows nobody who left.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FIRST = (
    *("Ada", "Bea", "Cid", "Dee", "Eve", "Fay", "Gus", "Hal", "Ida", "Jon", "Kim", "Lea", "Mia", "Noa", "Ole", "Pia"),
    *("José", "Łukasz", "Zoë"),
)
LAST = ("Lovelace", "Byron", "Hopper", "Turing", "Noether", "Curie", "Franklin", "Ride", "Hamilton", "Johnson")
MAILCHIMP = (
    *("Email Address", "First Name", "Last Name", "Company", "Position", "ZIP Code", "MEMBER_RATING", "OPTIN_TIME"),
    *(
        "OPTIN_IP",
        "CONFIRM_TIME",
        "CONFIRM_IP",
        "LATITUDE",
        "LONGITUDE",
        "GMTOFF",
        "DSTOFF",
        "TIMEZONE",
        "CC",
        "REGION",
    ),
    *("LAST_CHANGED", "LEID", "EUID", "NOTES", "TAGS"),
)


@dataclass(frozen=True)
class Took:
    """What one import took; `waited_s` is the longest that another writer of the store had to wait."""

    name: str
    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float
    waited_s: float | None = None


def people(rows: int) -> Iterator[tuple[str, str, str, str]]:
    """Make readers up: address, first and last name, state. One in twenty has a capital letter in the address."""
    chance = random.Random(1)
    for number in range(rows):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        local = f"{chance.getrandbits(32):08x}.{last if number % 20 == 0 else last.lower()}{number}"
        state = "active" if number % 10 else "unsubscribed" if number % 20 else "pending"
        yield f"{local}@mail{number % 997}.example.com", first, last, state


def write_own(file: Path, rows: int) -> None:
    """Write the columns of our own shape."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("email", "name", "state"))
        writer.writerows((email, f"{first} {last}", state) for email, first, last, state in people(rows))


def write_mailchimp(file: Path, rows: int) -> None:
    """Write all columns of a Mailchimp export."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(MAILCHIMP)
        for number, (email, first, last, _) in enumerate(people(rows)):
            moment = f"20{10 + number % 15}-0{1 + number % 9}-12 10:54:27"
            row = [email, first, last, "", "", "", "2", moment, "192.0.2.1", moment, "192.0.2.1", "", "", "", ""]
            writer.writerow([*row, "Europe/Berlin", "DE", "", moment, str(number), "abc", "", '"Editors"'])


def watched(store: Path, stop: threading.Event, waits: list[float]) -> None:
    """Write something to the store every now and then, as another process would, and note how long each had to wait."""
    connection = sqlite3.connect(store, timeout=60, isolation_level=None)
    while not stop.wait(0.02):
        start = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        waits.append(time.perf_counter() - start)
    connection.close()


def run(name: str, rows: int, command: list[str], *, store: Path | None = None) -> Took:
    """Run a command and measure it; with a store, measure also how long another writer waits for it."""
    waits: list[float] = []
    stop = threading.Event()
    writer = threading.Thread(target=watched, args=(store, stop, waits)) if store else None
    if writer:
        writer.start()
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen([sys.executable, "-c", _MEASURED, *command], stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    stop.set()
    if writer:
        writer.join()
    if process.returncode:
        raise SystemExit(f"{name} failed")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = float(out.rstrip().rpartition("\n")[2]) / (1024 if sys.platform == "linux" else 1024 * 1024)
    return Took(name, rows, seconds, cpu, peak, max(waits, default=0.0) if store else None)


_MEASURED = """
import resource, runpy, sys
what = sys.argv.pop(1)
try:
    runpy.run_path(what, run_name="__main__") if what.endswith(".py") else runpy.run_module(what, run_name="__main__")
except SystemExit as stop:
    if stop.code:
        raise
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

_BASELINE = """
import csv, sys
from sqlite_utils import Database
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    Database(sys.argv[2])["subscribers"].insert_all(csv.DictReader(file), pk="email", ignore=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: int = options.rows
    took: list[Took] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own, tenth, mailchimp = folder / "own.csv", folder / "tenth.csv", folder / "subscribed_members_export.csv"
        write_own(own, rows)
        write_own(tenth, rows // 10)
        write_mailchimp(mailchimp, rows)
        baseline = folder / "baseline.py"
        baseline.write_text(_BASELINE)
        took.append(run("sqlite-utils insert_all", rows, [str(baseline), str(own), str(folder / "baseline.db")]))

        def imported(name: str, file: Path, store: str, count: int) -> None:
            path = folder / store
            command = ["digest", "subscribers", "import", str(file), "--yes", "--db", str(path)]
            if not path.exists():
                subprocess.run([sys.executable, "-m", "digest", "db", "migrate", "--db", path], check=True, stdout=-3)
            took.append(run(name, count, command, store=path))

        imported("own, a tenth", tenth, "tenth.db", rows // 10)
        imported("own", own, "own.db", rows)
        imported("own, again", own, "own.db", rows)
        imported("mailchimp", mailchimp, "mailchimp.db", rows)
    if options.json:
        print(json.dumps([asdict(one) for one in took], indent=2))
        return
    print(f"{'':26}{'rows':>10}{'s':>8}{'CPU s':>8}{'peak MB':>9}{'wait s':>8}{'to baseline':>13}")
    for one in took:
        waited = f"{one.waited_s:8.2f}" if one.waited_s is not None else " " * 8
        ratio = (one.cpu_s / one.rows) / (took[0].cpu_s / took[0].rows)
        print(f"{one.name:26}{one.rows:>10,}{one.seconds:8.2f}{one.cpu_s:8.2f}{one.peak_mb:9.0f}{waited}{ratio:12.2f}x")


if __name__ == "__main__":
    main()
