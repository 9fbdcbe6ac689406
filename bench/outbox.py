"""How fast `digest send` fills the outbox, beside Python's own way of filling a Maildir.

    python bench/outbox.py [--recipients 20000] [--repeats 3] [--json]

The first is a `digest send` in a process of its own: a real SQLite file, the ledger from the freeze to the last
batch, a signed token and links of their own in each copy, every message synced to the disk. The baseline, in the
same run, is a loop over `email.message.EmailMessage` and `mailbox.Maildir.add` with the same issue, which syncs
each message too, and has no store and no links of each reader's own. Medians of several runs.
"""

from __future__ import annotations

import argparse
import json
import mailbox
import os
import resource as limits
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

from digest.resources import resource


def digest(folder: Path, *arguments: str) -> None:
    """Run a `digest` command in a folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
    command = [sys.executable, "-m", "digest", *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def prepare(folder: Path, recipients: int) -> None:
    """Make a store with an approved issue."""
    rows = ["email,name", *(f"reader{number}@example.com,Reader {number}" for number in range(recipients))]
    (folder / "readers.csv").write_text("\n".join(rows))
    digest(folder, "import", str(resource("db", "sample")))
    digest(folder, "subscribers", "import", "readers.csv")
    digest(folder, "draft", "--since", "-7d")
    digest(folder, "render", "1", "--out", "issue")
    digest(folder, "approve", "1")


def send(folder: Path, run: int) -> float:
    """Send the issue from a fresh copy of the store; give the seconds."""
    work = folder / f"run-{run}"
    work.mkdir()
    digest(folder, "db", "backup", str(work / "digest.db"))
    start = time.perf_counter()
    digest(work, "send", "1")
    took = time.perf_counter() - start
    shutil.rmtree(work)
    return took


def baseline(folder: Path, recipients: int) -> float:
    """Write as many messages with the standard library alone; give the seconds."""
    html, text = ((folder / "issue" / name).read_text() for name in ("issue.html", "issue.txt"))
    box = mailbox.Maildir(folder / "baseline", create=True)
    start = time.perf_counter()
    for number in range(recipients):
        message = EmailMessage()
        message["From"] = "Weekly AI Tool Verdicts <verdicts@example.com>"
        message["To"] = f"reader{number}@example.com"
        message["Subject"] = "The same issue"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        box.add(message)
    took = time.perf_counter() - start
    shutil.rmtree(folder / "baseline")
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # The baseline needs no more messages than a rate takes.
    few = min(options.recipients, 2_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.recipients)
        ours, theirs = [], []
        for run in range(options.repeats):
            ours.append(options.recipients / send(folder, run))
            theirs.append(few / baseline(folder, few))
        kilobytes = (folder / "issue" / "issue.eml").stat().st_size / 1024
    rate, base = statistics.median(ours), statistics.median(theirs)
    result = {
        "recipients": options.recipients,
        "kb_a_copy": round(kilobytes, 1),
        "copies_a_second": round(rate),
        "baseline_copies_a_second": round(base),
        "ratio": round(rate / base, 1),
        "peak_mb": round(limits.getrusage(limits.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['recipients']} copies of {result['kb_a_copy']} KB, all synced to the disk")
    print(f"digest send:           {result['copies_a_second']:>6} copies/s, peak {result['peak_mb']} MB")
    print(f"email + mailbox alone: {result['baseline_copies_a_second']:>6} copies/s")
    print(f"ratio:                 {result['ratio']:>6}")


if __name__ == "__main__":
    main()
