"""What deploy/Dockerfile makes: its own commands, run here on what it copies; and what comes of it, started.

There is no Docker in it: the files around Python are this machine's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlite_utils import Database

from serving import free_port

CHECKOUT = Path(__file__).parents[2]
DOCKERFILE = (CHECKOUT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")

ALONE = """
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t tmpfs tmpfs "$2"
mount -o remount,bind,ro /
shift 2
exec unshare --user --map-user=10001 --map-group=10001 -- "$@"
"""
"""A shell in a namespace of its own: all is read-only but two folders, and it is user 10001, with no right of root."""


def run(command: Sequence[str | Path], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing configured and no terminal."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")} | more
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is /opt/digest in the image, made by the commands of the Dockerfile's stage `build`."""
    folder = tmp_path_factory.mktemp("image")
    stage = re.search(r"AS build\n(.*?)\nFROM ", DOCKERFILE, re.DOTALL)
    assert stage is not None
    (folder / "build").mkdir()
    for line in re.findall(r"^COPY (.+)$", stage[1], re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            place = folder / "build" / target
            if (CHECKOUT / source).is_dir():
                shutil.copytree(CHECKOUT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(CHECKOUT / source, place)
    commands = re.findall(r"^RUN (.+)$", stage[1], re.MULTILINE)
    # The first installs what builds the wheel: here it is installed, and of the same versions.
    assert "install -c constraints.txt build hatchling" in commands[0]
    for command in commands[1:]:
        here = command.replace("/opt/digest", str(folder / "digest")).replace("python -m", f"{sys.executable} -m")
        done = run(["sh", "-ec", here], folder / "build", EXTRAS="")
        assert done.returncode == 0, done.stderr
    return folder / "digest"


def test_the_wheel_works_in_an_empty_environment(image: Path, tmp_path: Path) -> None:
    done = run([image / "bin" / "digest", "demo", "--json"], tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(list((tmp_path / "digest-demo" / "outbox" / "new").iterdir())) == result["status"]["audience"]["active"]
    # Nothing was taken from the checkout.
    asked = run([image / "bin" / "python", "-c", "import digest; print(digest.__file__)"], tmp_path)
    assert asked.stdout.startswith(str(image))
    store = Database(tmp_path / "digest-demo" / "digest.db")
    assert store["comparisons"].count == 30
    store.close()


def test_it_is_small(image: Path) -> None:
    size = sum(file.stat().st_size for file in image.rglob("*") if file.is_file() and not file.is_symlink())
    assert size < 200e6
    assert not (image / "bin" / "pip").exists()


def test_it_serves_as_nobody_where_nothing_else_can_be_written(image: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may make everything read-only for a process")
    data, temporary, port = tmp_path / "data", tmp_path / "tmp", str(free_port())
    data.mkdir()
    temporary.mkdir()
    said = re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    asked = re.search(r"^HEALTHCHECK .*CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert said is not None
    assert asked is not None
    # With the command and the health check of the image; only the port is one that is free here.
    command: list[str | Path] = [image / "bin" / "digest", *json.loads(said[1]), "--port", port]
    health = [word.replace(":8000", f":{port}") for word in json.loads(asked[1])]
    environment = {
        "PATH": f"{image / 'bin'}:/usr/bin:/bin",
        "DIGEST_DB": str(data / "digest.db"),
        "TMPDIR": str(temporary),
    }
    words: list[str | Path] = ["unshare", "--mount", "sh", "-ec", ALONE, "sh", data, temporary, *command]
    process = subprocess.Popen(
        words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    assert process.stderr is not None
    try:
        while "nobody may use" not in (line := process.stderr.readline()):
            assert line, process.wait(10)
        for _ in range(50):
            done = run(health, tmp_path, **environment)
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    finally:
        process.terminate()
        code = process.wait(20)
        process.stderr.close()
    # In order, and then by the signal: see web/server.py.
    assert code in (0, -signal.SIGTERM)
    assert (data / "digest.db").exists()
