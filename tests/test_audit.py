"""`make audit`: a known hole stops CI; an index that cannot be reached does not, and is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("audit.sh")
HOLE = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.1.7"], "description": ""}


def audited(folder: Path, said: Any) -> tuple[int, str]:
    """Run the script with a Python whose pip-audit says this."""
    (folder / "said").write_text(json.dumps(said))
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$2" in pip_audit) cat {folder}/said ;; *) exec {sys.executable} "$@" ;; esac\n'
    )
    python.chmod(0o755)
    done = subprocess.run([SCRIPT, python], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([{"name": "jinja2", "version": "3.1.5", "vulns": [HOLE]}], 1, "mended in 3.1.7"),
        ([{"name": "jinja2", "version": "3.1.6", "vulns": []}], 0, "1 packages asked about, 0 of them unknown there"),
        ([{"name": "jinja2", "skip_reason": "not found"}], 0, "SKIPPED"),
        ([], 0, "SKIPPED"),
    ],
    ids=["a hole", "none", "unknown", "nobody to ask"],
)
def test_what_is_known_of_the_packages_decides(
    tmp_path: Path, packages: list[dict[str, Any]], code: int, told: str
) -> None:
    found, out = audited(tmp_path, {"dependencies": packages})
    assert found == code
    assert told in out
