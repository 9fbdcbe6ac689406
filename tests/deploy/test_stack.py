"""What deploy/ starts, started: Caddy before digest, and the store brought back from a replica."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from digest.settings import Settings
from digest.store import Database
from digest.tokens import Signer
from machine import find_caddy, needed
from serving import Clock, Reader, free_port, served

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent


@dataclass
class Proxy:
    """Caddy with our Caddyfile before digest: `address` is its own, `log` what it wrote."""

    address: str
    log: Path
    inside: Reader

    def asked(self) -> list[dict[str, object]]:
        """Give the requests it logged."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line["request"] | {"level": line["level"]} for line in lines if "request" in line]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, stores: Path) -> Iterator[Proxy]:
    caddy, folder = needed(find_caddy), tmp_path_factory.mktemp("caddy")
    shutil.copyfile(stores / "sample.db", folder / "digest.db")
    address = f"https://localhost:{free_port()}"
    settings = Settings(db=folder / "digest.db", base_url=address, postal_address="1 Sample Street")
    # Of this machine it neither takes port 80 nor trusts its own certificates for everybody.
    alone = "{\n\tauto_https disable_redirects\n\tskip_install_trust\n\tadmin off\n"
    (folder / "Caddyfile").write_text((DEPLOY / "Caddyfile").read_text().replace("\n{\n", f"\n{alone}", 1))
    with served(settings, Clock(datetime.now(UTC))) as reader:
        upstream = str(reader.base_url).removeprefix("http://").rstrip("/")
        environment = {"SITE": address, "UPSTREAM": upstream, "HOME": str(folder), "PATH": os.environ["PATH"]}
        command: list[str | Path] = [caddy, "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            found = Proxy(address, folder / "log", reader)
            _wait(found, process)
            yield found
        finally:
            process.kill()
            process.wait()


def _wait(proxy: Proxy, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, proxy.log.read_text()
        try:
            with outside(proxy) as client:
                client.get("/robots.txt")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(proxy.log.read_text())


def outside(proxy: Proxy) -> httpx.Client:
    """A client of Caddy: its certificate is made by itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return httpx.Client(base_url=proxy.address, verify=context, timeout=30)


def test_a_page_comes_through_with_the_headers_of_digest_alone(proxy: Proxy) -> None:
    with outside(proxy) as client:
        page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-encoding"] == "gzip"
    assert page.headers.get_list("strict-transport-security") == ["max-age=31536000"]
    assert len(page.headers.get_list("content-security-policy")) == 1
    assert "server" not in page.headers


def test_what_is_for_machines_of_ours_is_not_for_the_internet(proxy: Proxy) -> None:
    with outside(proxy) as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/readyz").status_code == 404
        assert client.get("/healthz").status_code == 200
    assert proxy.inside.get("/readyz").status_code != 404


def test_no_token_no_question_and_no_whole_address_is_in_its_log(proxy: Proxy) -> None:
    token = Signer(b"k" * 32).sign("copy", 1, 2)
    with outside(proxy) as client:
        for path in (f"/u/{token}", f"/desk/sign-in/{token}", f"/c/{token}/3", "/search?q=my-illness"):
            client.get(path, headers={"Referer": f"{proxy.address}/p/{token}", "Cookie": f"voter={token}"})
    text = proxy.log.read_text()
    assert token not in text
    assert "my-illness" not in text
    found = {str(one["uri"]) for one in proxy.asked()}
    assert {"/u/*", "/desk/sign-in/*", "/c/*/3", "/search*"} <= found
    assert {one["remote_ip"] for one in proxy.asked()} <= {"127.0.0.0", "::"}


def test_digest_learns_who_asks_and_nobody_can_lie_about_it(proxy: Proxy) -> None:
    # Twenty new voters of a network may vote on a tool: with a lie that were believed, each would be of another one.
    answers = []
    with outside(proxy) as client:
        for number in range(21):
            client.cookies.clear()
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "Origin": proxy.address}
            answers.append(client.post("/vote/cursor", data={"value": "ship"}, headers=headers).status_code)
    assert answers == [303] * 20 + [429]


def test_too_large_a_form_is_told_so_by_digest_itself(proxy: Proxy) -> None:
    with outside(proxy) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": proxy.address}
        answer = client.post("/sign-up", content=b"x" * (64 * 1024 + 1), headers=headers)
    assert answer.status_code == 413
    assert "64 KB" in answer.text


# Litestream -----------------------------------------------------------------------------------------------------------


def run(command: list[object], **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}:{os.environ['PATH']}"
    # What this machine says about certificates is no business of a folder.
    given = {name: value for name, value in os.environ.items() if not name.startswith(("DIGEST_", "AWS_"))}
    words = [str(word) for word in command]
    return subprocess.run(
        words, env=given | {"PATH": path} | environment, capture_output=True, text=True, check=False, timeout=60
    )


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Do what a container does first, with an empty folder for its volume."""
    folder.mkdir(exist_ok=True)
    return run(
        [DEPLOY / "start.sh", "restore"],
        DIGEST_DB=str(folder / "digest.db"),
        LITESTREAM_CONFIG=str(DEPLOY / "litestream.yml"),
        **environment,
    )


def test_a_machine_that_is_lost_begins_anew_from_its_replica(db: Database, settings: Settings, tmp_path: Path) -> None:
    replica = f"file://{tmp_path / 'replica'}"
    db.close()
    environment = {"DIGEST_DB": str(settings.db), "LITESTREAM_URL": replica}
    done = run([BIN / "litestream", "replicate", "-config", DEPLOY / "litestream.yml", "-once"], **environment)
    assert done.returncode == 0, done.stderr

    # What a full disk left is no store.
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "digest.db").touch()
    done = start(tmp_path / "new", LITESTREAM_URL=replica)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "new").iterdir() if "-" not in path.name) == ["digest.db"]
    with closing(sqlite3.connect(tmp_path / "new" / "digest.db")) as store:
        # It knows that it was brought back, and from when.
        assert store.execute("SELECT count(*) FROM restores").fetchone() == (1,)
    done = run(
        [DEPLOY / "start.sh", "restore"], DIGEST_DB=str(tmp_path / "new" / "digest.db"), LITESTREAM_URL="s3://no"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_a_replica_it_begins_empty_and_says_so(tmp_path: Path) -> None:
    done = start(tmp_path / "new", LITESTREAM_URL=f"file://{tmp_path / 'nothing'}")
    assert done.returncode == 0, done.stderr
    assert "beginning with an empty store" in done.stderr
    assert [*(tmp_path / "new").iterdir()] == []


def test_a_replica_that_cannot_be_asked_keeps_it_from_beginning_empty(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "litestream"
    broken.write_text("#!/bin/sh\necho 'AccessDenied' >&2\nexit 1\n")
    broken.chmod(0o755)
    done = start(tmp_path / "new", LITESTREAM_URL="s3://bucket/digest", PATH=f"{broken.parent}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "empty" not in done.stderr
