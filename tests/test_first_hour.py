"""The first hour as printed: its commands are run in a fresh folder, one after the other, and answer as the page says.

What a page cannot say in a block stands in comments that nobody sees: that a command is run elsewhere, beside the
others, until when; and what a person does in a browser. `DIGEST_FIRST_HOUR=update` writes the answers, and takes the
pictures, anew; read the difference before you commit it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Page

from prompt_digest import prompt_digest
from serving import Reader, free_port

CHECKOUT = Path(__file__).parents[1]
PAGE = CHECKOUT / "docs" / "first-hour.md"
PICTURES = CHECKOUT / "docs" / "pictures" / "first-hour"
UPDATE = os.environ.get("DIGEST_FIRST_HOUR") == "update"
PATIENCE_S = 60

STEP = re.compile(
    r"^(?:<!-- test: (?P<note>.+?) -->|```(?P<kind>sh|text)\n(?P<text>.*?)```)$", re.MULTILINE | re.DOTALL
)
DAY = r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
VARYING = (
    (r"(?<=/)[A-Za-z0-9_-]{24}(?![\w-])", "TOKEN"),
    (r"\b[0-9a-f]{12}\b", "HASH"),
    (r"\b\d{8}T\d{6}Z\b", "MOMENT"),
    (r"\b\d{4}-\d\d-\d\d(?: \d\d:\d\d)?\b", "DATE"),
    (DAY + r"(?: \d{4})?(?:, \d\d:\d\d)?(?: CES?T)?", "DATE"),
    (r"\b[\d.,]+ (?:KB|MB|GB)\b", "SIZE"),
    (r"[ \t]+", " "),
)


def plain(answer: str) -> list[str]:
    """Give the lines of an answer without what differs from run to run."""
    for pattern, word in VARYING:
        answer = re.sub(pattern, word, answer)
    return [line.rstrip() for line in answer.strip().splitlines()]


def agree(printed: str, answered: str) -> bool:
    """Whether an answer is as printed; a line of `…` stands for any lines."""
    pattern = "\n".join("(?:.*\n)*?.*" if line == "…" else re.escape(line) for line in plain(printed))
    return re.fullmatch(pattern, "\n".join(plain(answered))) is not None


@dataclass
class Newcomer:
    """One who does what the page says: at a shell, in further terminals, and in a browser."""

    folder: Path
    site: str = f"localhost:{free_port()}"
    stand_in: str = f"127.0.0.1:{free_port()}"
    where: Path = field(init=False)
    said: list[str] = field(default_factory=list)
    terminals: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put a `digest` on the path that listens at ports of its own: other tests run beside this one."""
        commands = self.folder / "commands"
        commands.mkdir()
        digest, (_, serve), (_, simulate) = Path(sys.executable).with_name("digest"), *self._ports()
        (commands / "digest").write_text(
            f"#!/bin/sh\ncommand=$1\ncase $command in\n"
            f'  serve) shift; set -- serve --port {serve} "$@" ;;\n'
            f'  simulate) shift; set -- simulate --port {simulate} "$@" ;;\n'
            f'  *) exec {commands}/prompt "$@" ;;\n'
            f'esac\nexec {shlex.quote(str(digest))} "$@"\n'
        )
        (commands / "digest").chmod(0o755)
        (commands / "python3").symlink_to(sys.executable)
        self.where = self.folder / "home"
        self.where.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DIGEST_", "PYTEST", "COV_"))}
        self.environment = {
            **kept,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
        }
        self.reader = Reader(base_url=f"http://{self.site}", timeout=30)

    def type(self, commands: str) -> str:
        """Type a block at the first shell, and give what came of it; the folder it ends in is kept."""
        block = self.folder / "block.sh"
        block.write_text(f"umask 022\nset -e\n{self._here(commands)}\npwd > {self.folder}/where\n")
        done = subprocess.run(
            ["bash", str(block)], cwd=self.where, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}{done.stdout}"
        self.where = Path((self.folder / "where").read_text().strip())
        self.said.append(done.stdout)
        return self._there(done.stdout)

    def begin(self, name: str, command: str) -> str:
        """Type what goes on running into a terminal of its own; give what it says when it is ready."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            self.terminals[name] = subprocess.Popen(
                ["bash", "-c", f"exec {self._here(command)}"], cwd=self.where, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        until(lambda: "Ctrl-C" in log.read_text(), log)
        return self._there(log.read_text())

    def end(self, name: str) -> None:
        """Press Ctrl-C in a terminal."""
        process = self.terminals.pop(name)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)

    def sign_in(self) -> None:
        """Open the link that was printed, and press its button."""
        link = re.findall(r"http://\S+/desk/sign-in/\S+", "".join(self.said))[-1]
        fields = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', self.reader.get(link).text)[0]}
        answer = self.reader.submit(httpx.URL(link).path, fields)
        assert answer.status_code == 303, answer.text
        assert "Two voices, one of them free" in self.reader.get("/desk/issues", follow_redirects=True).text

    def sign_up(self) -> None:
        """Send the form, and wait for the letter."""
        letters = self.where / "outbox" / "new"
        filled_in = {"moment": self.reader.moment("/sign-up"), "email": "hedy@example.com"}
        # A person needs two seconds to type an address; who is quicker is asked to press once more.
        until(lambda: self.reader.submit("/sign-up", filled_in).status_code == 303, self.folder / "serve.log", 0.5)
        # Editors get letters too.
        arrived = lambda: any(b"To: hedy@example.com" in letter.read_bytes() for letter in letters.iterdir())  # noqa: E731
        until(arrived, self.folder / "serve.log")

    def confirm(self) -> None:
        """Open the letter's link, and press its button."""
        link = re.findall(r"http://\S+/confirm/\S+", self.said[-1])[-1]
        assert self.reader.get(link).status_code == 200
        assert self.reader.submit(httpx.URL(link).path).status_code in (200, 303)

    def wait_for_letters(self) -> None:
        """Be as slow as a person, so that what editors are told is on its way."""
        waiting = "SELECT 1 FROM letters WHERE state IN ('queued', 'claimed') LIMIT 1"
        with contextlib.closing(sqlite3.connect(self.where / "digest.db")) as store:
            until(lambda: store.execute(waiting).fetchone() is None, self.folder / "serve.log")

    def close(self) -> None:
        """End what still runs."""
        self.reader.close()
        for process in self.terminals.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _ports(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("8000", self.site.split(":")[1]), ("9025", self.stand_in.split(":")[1])

    def _here(self, text: str) -> str:
        for printed, own in self._ports():
            text = text.replace(printed, own)
        return text

    def _there(self, text: str) -> str:
        for printed, own in self._ports():
            text = text.replace(own, printed)
        return text.replace(str(self.folder / "home"), "/home/you")


def until(true: Callable[[], object], log: Path, pause_s: float = 0.05) -> None:
    """Wait for what another process does."""
    ends = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends, log.read_text()
        time.sleep(pause_s)


@contextlib.contextmanager
def newcomer(folder: Path) -> Iterator[Newcomer]:
    """Give one who leaves nothing running."""
    person = Newcomer(folder)
    with prompt_digest(folder / "commands" / "prompt"):
        try:
            yield person
        finally:
            person.close()


def follow(page: str, person: Newcomer) -> str:
    """Do what the page says; give the page with the answers that came, where they are others than it prints."""
    written, at, note, answer = [], 0, "", ""
    by_hand = {
        "sign in": person.sign_in,
        "sign up": person.sign_up,
        "confirm": person.confirm,
        "wait until all letters are out": person.wait_for_letters,
    }
    for step in STEP.finditer(page):
        kind, text = step["kind"], step["text"]
        if step["note"]:
            note = step["note"]
            if note.startswith("by hand: "):
                if UPDATE and note == "by hand: sign in":
                    take_pictures(person)
                by_hand[note.removeprefix("by hand: ")]()
            elif note.startswith("stop "):
                person.end(note.removeprefix("stop "))
        elif kind == "sh":
            if note.startswith("beside "):
                answer = person.begin(note.removeprefix("beside "), text)
            elif note != "elsewhere":
                answer = person.type(text)
            note = ""
        else:
            if not agree(text, answer):
                assert UPDATE, f"printed:\n{text}\nanswered:\n{answer}"
                written += [page[at : step.start("text")], answer.strip() + "\n"]
                at = step.end("text")
            answer = ""
    return "".join([*written, page[at:]])


def take_pictures(person: Newcomer) -> None:
    """Take the pictures of the page that are of this issue and this site."""
    from browser import opened

    addresses = {
        "issue": (person.where / "look" / "issue.html").as_uri(),
        "sign-up": f"http://{person.site}/sign-up",
    }

    def take(page: Page) -> None:
        for name, address in addresses.items():
            page.goto(address)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(PICTURES / f"{name}.webp", quality=72, method=6)

    PICTURES.mkdir(exist_ok=True)
    with opened() as browser:
        browser.visit(take, width=960)


def test_its_commands_answer_as_printed(tmp_path: Path) -> None:
    page = PAGE.read_text()
    with newcomer(tmp_path) as person:
        found = follow(page, person)
        assert person.terminals == {}
    if UPDATE:
        PAGE.write_text(found)
    assert len(STEP.findall(page)) > 30
