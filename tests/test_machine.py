"""What is missing on a machine is said, skipped, and with CI=true a failure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import machine


def missing() -> Path:
    raise machine.Missing("there is no hammer; install one")


def test_what_is_missing_skips_a_test_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install one"):
        machine.needed(missing)


def test_what_is_missing_fails_a_test_where_ci_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install one; with CI=true"):
        machine.needed(missing)


def test_a_snap_or_the_script_that_stands_for_one_is_no_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "_MAC_BROWSERS", ())
    snap = tmp_path / "chromium"
    snap.write_text('#!/bin/sh\nexec /snap/bin/chromium "$@"\n')
    snap.chmod(0o755)
    with pytest.raises(machine.Missing, match="no Chromium or Chrome"):
        machine.find_browser()
    chrome = tmp_path / "google-chrome"
    chrome.write_text('#!/bin/sh\nexec /opt/google/chrome/chrome "$@"\n')
    chrome.chmod(0o755)
    assert machine.find_browser() == chrome


def test_a_font_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_FONTS", ("NoSuchFont.ttf",))
    with pytest.raises(machine.Missing, match=r"NoSuchFont\.ttf|another system"):
        machine.find_fonts()


def test_the_locked_packages_are_pinned_and_name_no_address_to_load_from() -> None:
    packages = json.loads((machine.TESTS / "node" / "package.json").read_text())["dependencies"]
    assert all(version.replace(".", "").isdigit() for version in packages.values())
    locked = json.loads((machine.TESTS / "node" / "package-lock.json").read_text())["packages"]
    assert all(locked[f"node_modules/{name}"]["version"] == version for name, version in packages.items())
    assert [name for name, package in locked.items() if "resolved" in package] == []


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_the_set_up_neither_fails_nor_changes_anything_where_it_can_install_nothing(tmp_path: Path) -> None:
    """Without apt-get, npm or Node: as on a machine that is offline."""
    for name in ("set-up-browser.sh", "machine.py"):
        (tmp_path / name).write_bytes((machine.TESTS / name).read_bytes())
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "package-lock.json").write_text("{}")
    for program in ("bash", "dirname", "cmp", "mktemp", "rm", "tail", "cp"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        found = subprocess.run(["which", program], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / "bin" / program).symlink_to(found)
    done = subprocess.run(
        [tmp_path / "bin" / "bash", tmp_path / "set-up-browser.sh", sys.executable],
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Could not install them:" in done.stdout
    assert "Skipped will be all of tests/pictures: no Chromium or Chrome is installed" in done.stdout
