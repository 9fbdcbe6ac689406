"""Imports run downhill: docs/design.md, "The house"."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).parent.parent / "src" / "digest"
FLOORS = (
    {"cli"},
    {"web"},
    {"schedule", "doctor"},
    {"demo", "status", "safekeeping"},
    {"tracking"},
    {"sending"},
    {"issue"},
    {"editors"},
    {"audience", "programs"},
    {"mail", "catalogue"},
    {"store", "settings"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def room_of(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def test_no_room_imports_from_a_floor_above() -> None:
    uphill = [
        f"{file.relative_to(HOUSE)} imports {module}"
        for file in HOUSE.rglob("*.py")
        for module in imports(file)
        if module.startswith("digest.") and room_of(file) in FLOOR
        if FLOOR.get(module.split(".")[1], 99) < FLOOR[room_of(file)]
    ]
    assert uphill == []


def test_providers_know_nothing_of_ours_but_their_own_interface() -> None:
    strangers = [
        f"{file.name} imports {module}"
        for file in (HOUSE / "providers").rglob("*.py")
        for module in imports(file)
        if module.startswith("digest.") and module.split(".")[1] in FLOOR
    ]
    assert strangers == []
