"""A real `digest serve`, stopped and killed in the middle of a send while readers sign up: a short run of
`bench/supervised.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SUPERVISED = Path(__file__).parents[2] / "bench" / "supervised.py"


def test_stopped_and_killed_while_it_sends_and_readers_sign_up_nothing_is_lost() -> None:
    command = [sys.executable, str(SUPERVISED), "--terms", "2", "--kills", "2", "--recipients", "600", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found = json.loads(done.stdout)
    none = ("lost", "twice", "uncertain", "sign_ups_lost", "letters_lost", "letters_twice", "stops_left")
    assert {name: found[name] for name in none} == dict.fromkeys(none, 0)
    assert found["state"] == "sent"
    assert found["exit_codes"] == {"0": 3}
    assert found["stop_s"] < 10
    assert found["sign_ups"] > 0
    assert found["doctor_found"] == []
    assert done.returncode == 0
