"""Attack the sign-up form of `digest serve` in several ways, and count the letters that leave.

    python bench/sign_up_attack.py [--attempts 10000] [--connections 16] [--set NAME=VALUE]... [--json]

`digest serve` is a process of its own with a store on the disk, one for each attack; the attempts come over HTTP from
another process on kept connections (bench/load.py), from as many networks as the attack pretends to have
(X-Forwarded-For, which is believed from 127.0.0.1). In the middle of each, a person without JavaScript signs up from a
network of their own: opens the page, types for three seconds, presses the button, follows the page if it asks for one
press more. *letters* are those in the store after it, *now* those among them that do not wait for a later hour,
*person* what became of the person: when their letter may leave, or what they were told. Another person's browser has
JavaScript and shows proof of work.

Ends with 1 where a person did not get through.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from altcha import Challenge, Payload, solve_challenge

from digest import times
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from processes import COMMAND, options
from web import HERE, free_port, serving

Attempt = tuple[str, dict[str, str]]
"""The network an attempt comes from, and the fields of its form."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _network(number: int) -> str:
    return f"10.{number // 62_500 % 250}.{number // 250 % 250}.{number % 250 + 1}"


def one_network(number: int, moment: str) -> Attempt:
    """Many addresses, one network."""
    return "198.51.100.9", {"email": f"victim{number}@example.org", "moment": moment}


def one_address(number: int, moment: str) -> Attempt:
    """One address, many networks."""
    return _network(number), {"email": "victim@example.org", "moment": moment}


def trapped(number: int, moment: str) -> Attempt:
    """Many addresses, many networks; fills in whatever field there is."""
    fields = {"email": f"victim{number}@example.org", "moment": moment, "homepage": "https://spam.example"}
    return _network(number), fields


def blind(number: int, moment: str) -> Attempt:
    """Many addresses, many networks; has never looked at the form."""
    return _network(number), {"email": f"victim{number}@example.org"}


def patient(number: int, moment: str) -> Attempt:
    """Many addresses, many networks; does all as a person does: only the brake is left."""
    return _network(number), {"email": f"victim{number}@example.org", "moment": moment}


def mixed(number: int, moment: str) -> Attempt:
    """All of them, by turns of chance; those that are too quick come beside."""
    kind = random.Random(number).choice((one_network, one_address, trapped, blind, patient))
    return kind(number, moment)


ATTACKS: dict[str, Callable[[int, str], Attempt] | None] = {
    "many addresses, one network": one_network,
    "one address, many networks": one_address,
    "trap filled in": trapped,
    "too quick": None,
    "without a moment": blind,
    "many of both, patient": patient,
    "all together": mixed,
}


def attempts(attack: Callable[[int, str], Attempt], count: int, moment: str) -> Iterator[dict[str, Any]]:
    """Give the requests of an attack."""
    yield {"once": True}
    for number in range(count):
        network, fields = attack(number, moment)
        headers = {**FORM, "X-Forwarded-For": network}
        yield {"method": "POST", "path": "/sign-up", "headers": headers, "body": urlencode(fields)}


def from_outside(port: int, connections: int, requests: list[dict[str, Any]]) -> None:
    """Send requests from a process of its own."""
    command = [sys.executable, str(HERE / "load.py"), "127.0.0.1", str(port), str(connections), "600"]
    lines = "\n".join(json.dumps(request) for request in requests)
    subprocess.run(command, input=lines, stdout=subprocess.DEVNULL, text=True, check=True)


def too_quick(site: str, count: int, connections: int) -> None:
    """Many addresses, many networks; sends the form as soon as it has it."""

    def one(start: int) -> None:
        with httpx.Client(base_url=site, timeout=60) as script:
            for number in range(start, count, connections):
                headers = {"X-Forwarded-For": _network(number)}
                moment = script.get("/sign-up/challenge", headers=headers).json()["moment"]
                script.post("/sign-up", data={"email": f"quick{number}@example.org", "moment": moment}, headers=headers)

    together([threading.Thread(target=one, args=(start,)) for start in range(connections)])


def together(threads: list[threading.Thread]) -> None:
    """Run threads to their end."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sign_up(site: str, email: str, network: str, *, javascript: bool) -> str:
    """Sign a person up as a browser does; give the address of the last page, or what it says."""
    with httpx.Client(
        base_url=site, headers={"X-Forwarded-For": network}, follow_redirects=True, timeout=60
    ) as browser:
        page = browser.get("/sign-up").text
        fields = {"email": email, "moment": re.findall(r'name="moment" value="([^"]+)"', page)[0]}
        if javascript:
            challenge = Challenge.from_dict(browser.get("/sign-up/challenge").json()["challenge"])
            solution = solve_challenge(challenge)
            assert solution is not None
            fields["altcha"] = Payload(challenge, solution).to_base64()
        time.sleep(3)
        answer = browser.post("/sign-up", data=fields)
        if "One press" in answer.text:
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text))
            time.sleep(2)
            answer = browser.post("/sign-up", data=hidden)
    return answer.url.path if answer.is_success else f"{answer.status_code}"


def attacked(name: str, wanted: argparse.Namespace) -> dict[str, Any]:
    """Run one attack on a store of its own; give what came of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        now = times.now()
        with closing(open_store(folder / "digest.db", create=True)) as db:
            links = Signers.of(db, Settings(db=folder / "digest.db"), now=now).links
        # That of a page which was opened a while ago.
        moment = links.sign("form", int(now.timestamp()) - 60, 1)
        port = free_port()
        site = f"http://127.0.0.1:{port}"
        people: dict[str, str] = {}

        def person(email: str, network: str, *, javascript: bool) -> None:
            people[email] = sign_up(site, email, network, javascript=javascript)

        attack = ATTACKS[name]
        quick = wanted.attempts if attack is None else wanted.attempts // 6 if attack is mixed else 0
        requests = list(attempts(attack, wanted.attempts - quick, moment)) if attack is not None else []

        def part(number: int) -> list[threading.Thread]:
            """Give the first half of the attempts, or the second."""
            half = slice(1, len(requests) // 2) if number == 0 else slice(max(1, len(requests) // 2), None)
            found = [threading.Thread(target=too_quick, args=(site, quick // 2, wanted.connections))] if quick else []
            if requests:
                given = [requests[0], *requests[half]]
                found.append(threading.Thread(target=from_outside, args=(port, wanted.connections, given)))
            return found

        persons = [
            threading.Thread(target=person, args=("plain@example.org", "203.0.113.1"), kwargs={"javascript": False}),
            threading.Thread(target=person, args=("script@example.org", "203.0.113.2"), kwargs={"javascript": True}),
        ]
        serve = [*COMMAND, *wanted.given, "serve", "--port", str(port), "--no-work"]
        with serving(serve, folder, port):
            _wait_for(site)
            begun = time.perf_counter()
            together(part(0))
            together([*part(1), *persons])
            took = time.perf_counter() - begun
        with closing(open_store(folder / "digest.db")) as db:
            rows = db.conn.execute("SELECT email, created_at, slot FROM letters WHERE kind = 'confirm'").fetchall()
            counts = dict(db.conn.execute("SELECT outcome, sum(count) FROM sign_up_counts GROUP BY outcome").fetchall())
    waits = {email: _seconds(created, slot) for email, created, slot in rows}
    return {
        "attack": name,
        "attempts": wanted.attempts,
        "letters": len(rows),
        "now": sum(1 for _, created, slot in rows if _seconds(created, slot) == 0),
        "seconds": took,
        "outcomes": counts,
        "people": {who.partition("@")[0]: _told(answer, waits.get(who)) for who, answer in people.items()},
    }


def _wait_for(site: str) -> None:
    for _ in range(240):
        try:
            httpx.get(f"{site}/sign-up", timeout=60).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError("`digest serve` does not start")


def _seconds(created: str, slot: str) -> float:
    return (datetime.fromisoformat(slot) - datetime.fromisoformat(created)).total_seconds()


def _told(answer: str, wait: float | None) -> str:
    if wait is None:
        return f"no letter ({answer})"
    return "letter at once" if wait == 0 else f"letter in {wait / 3600:.1f} h"


def main() -> int:
    """Run the attacks and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--attempts", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of digest")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    wanted.given = options(dict(pair.split("=", 1) for pair in wanted.set))
    runs = []
    for name in ATTACKS:
        print(name, file=sys.stderr)
        runs.append(attacked(name, wanted))
    if wanted.json:
        print(json.dumps(runs, indent=2))
    else:
        print(f"{'attack':30} {'attempts':>8} {'letters':>8} {'now':>6} {'/s':>6}  without JavaScript  with it")
        for run in runs:
            rate = run["attempts"] / run["seconds"]
            plain, script = run["people"]["plain"], run["people"]["script"]
            counted = f"{run['attempts']:8} {run['letters']:8} {run['now']:6} {rate:6.0f}"
            print(f"{run['attack']:30} {counted}  {plain:18}  {script}")
    through = all("at once" in run["people"]["script"] and "no letter" not in run["people"]["plain"] for run in runs)
    return 0 if through else 1


if __name__ == "__main__":
    sys.exit(main())
