"""How long a sending takes where readers chose topics: with many sets of them, beside one set for everybody.

    python bench/topics.py [--recipients 50000] [--sets 40] [--mode outbox|merge] [--repeats 3] [--json]

A `digest send` in a process of its own, with everything: the variants are rendered, the audience is frozen, the ledger
is on the disk. `outbox` writes a Maildir, every message synced, and afterwards each message is opened: whoever it is
for must find in it exactly the comparisons on their topics. `merge` is Mailgun's calls of 1,000, to a sink
(bench/sink.py), so that no disk hides what variants cost. Sets and readers are drawn with a seed; both sorts of run
take turns, and the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from email import policy
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from digest import times
from digest.audience.topics import topic_set_of, topics_of
from digest.issue import issues
from digest.issue import variants as by_topic
from digest.resources import resource
from digest.store import open_store, writing
from processes import digest, options
from send import settings_for, sink

_COMPARED = re.compile(r"/compare/([a-z0-9-]+)")
_READER = re.compile(r"reader(\d+)@")


def prepare(folder: Path, recipients: int, sets: int, seed: int) -> list[list[str]]:
    """Make a store with an approved issue and readers of so many sets of topics; give each reader's comparisons."""
    digest(folder, "import", str(resource("db", "sample")))
    digest(folder, "draft", "--since", "-7d")
    digest(folder, "approve", "1")
    draw = random.Random(seed)
    with closing(open_store(folder / "digest.db")) as db:
        cuts = drawn(db, sets, draw)
        ways = list(cuts)
        stamp = times.to_text(times.now())
        with writing(db) as connection:
            numbers = [topic_set_of(db, way) for way in ways]
            mine = [draw.randrange(sets) for _ in range(recipients)]
            connection.executemany(
                "INSERT INTO subscribers (email, email_key, name, state, source, topic_set, created_at, updated_at)"
                " VALUES (?1, ?1, ?2, 'active', 'bench', ?3, ?4, ?4)",
                (
                    (f"reader{reader}@example.com", f"Reader {reader}", numbers[way], stamp)
                    for reader, way in enumerate(mine)
                ),
            )
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return [cuts[ways[way]] for way in mine]


def drawn(db: Database, sets: int, draw: random.Random) -> dict[tuple[str, ...], list[str]]:
    """Draw sets of topics, of those in issue 1 and none that is all; give the comparisons of each, sorted."""
    known = {topic.slug for topic in topics_of(db)}
    draft = issues.snapshot_of(db, 1)
    assert draft is not None
    present = sorted(by_topic.topics_in(draft))
    assert known.issuperset(present)
    chosen: set[tuple[str, ...]] = set()
    while len(chosen) < sets:
        chosen.add(tuple(sorted(draw.sample(present, draw.randint(1, min(4, len(present) - 1))))))
    return {way: sorted(by_topic.cut_for(draft, way, off_topic="lead").comparisons) for way in sorted(chosen)}


@contextmanager
def sent(folder: Path, given: dict[str, object]) -> Iterator[tuple[float, dict[str, Any], Path]]:
    """Send from a fresh copy of the store; give the seconds, what `digest send` printed, and the folder of it."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        shutil.copyfile(folder / "digest.db", work / "digest.db")
        os.sync()
        start = time.perf_counter()
        _, printed = digest(work, *options(given), "send", "1")
        yield time.perf_counter() - start, printed, work


def look(path: str) -> tuple[int, list[str]]:
    """Open a message: whose it is, and which comparisons are in its text; the links of its HTML lead by the site."""
    with Path(path).open("rb") as file:
        message = email.message_from_binary_file(file, policy=policy.compat32)
    text = next(part for part in message.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
    found = _READER.search(str(message["To"]))
    assert found is not None
    assert isinstance(text, bytes)
    return int(found[1]), compared(text.decode())


def compared(text: str) -> list[str]:
    """Give the comparisons that a mail leads to, sorted."""
    return sorted(set(_COMPARED.findall(text)))


def wrong(box: Path, expected: Sequence[list[str]]) -> dict[str, int]:
    """Look at every message of an outbox; count what is not as it is to be."""
    seen = [0] * len(expected)
    others = 0
    with Pool(os.cpu_count()) as pool:
        for reader, found in pool.imap_unordered(look, (str(path) for path in (box / "new").iterdir()), chunksize=200):
            seen[reader] += 1
            others += found != expected[reader]
    missing, twice = sum(count == 0 for count in seen), sum(count > 1 for count in seen)
    return {"looked_at": sum(seen), "missing": missing, "twice": twice, "with_other_comparisons": others}


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure both sorts in turn; give the medians, and what was found in the outbox."""
    seconds: dict[int, list[float]] = {wanted.sets: [], 1: []}
    found: dict[str, int] = {}
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, sink() as url:
        given = settings_for("merge", url, 4) if wanted.mode == "merge" else {}
        stores = {}
        for sets in seconds:
            folder = Path(name) / str(sets)
            folder.mkdir()
            stores[sets] = (folder, prepare(folder, wanted.recipients, sets, wanted.seed))
        for run in range(wanted.repeats):
            for sets, (folder, expected) in stores.items():
                print(f"run {run + 1} of {wanted.repeats}, {sets} set{'s' if sets > 1 else ''}", file=sys.stderr)
                with sent(folder, given) as (took, printed, work):
                    seconds[sets].append(took)
                    if sets == wanted.sets:
                        report = printed["topics"]
                        if wanted.mode == "outbox" and not run:
                            found = wrong(work / "outbox", expected)
    many, one = (statistics.median(seconds[sets]) for sets in (wanted.sets, 1))
    return {
        "recipients": wanted.recipients,
        "mode": wanted.mode,
        "sets": report["sets"],
        "variants": report["variants"],
        "seconds": round(many, 2),
        "seconds_with_one_set": round(one, 2),
        "seconds_runs": {str(sets): [round(took, 2) for took in runs] for sets, runs in seconds.items()},
        "ratio": round(many / one, 2),
        "outbox": found,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=50_000)
    parser.add_argument("--sets", type=int, default=40)
    parser.add_argument("--mode", choices=("outbox", "merge"), default="outbox")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    if not 2 <= wanted.sets <= 60:
        parser.error("there are 2 to 60 sets")
    result = measure(wanted)
    if wanted.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['recipients']} readers of {result['sets']} sets of topics, {result['variants']} variants rendered")
    print(f"with {result['sets']} sets: {result['seconds']:>8} s")
    print(f"with one set: {result['seconds_with_one_set']:>8} s")
    print(f"ratio:        {result['ratio']:>8}")
    if result["outbox"]:
        print("the outbox:", ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in result["outbox"].items()))


if __name__ == "__main__":
    main()
