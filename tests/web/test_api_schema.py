"""The API does what its description says: held against it by schemathesis, and looked at by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import Program, program

from digest.audience.subscribers import add
from digest.issue import issues
from digest.sending.ledger import freeze_audience
from digest.settings import Settings
from digest.store import Database, connection
from digest.web.api.problems import KINDS
from serving import Clock, Reader, served

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
# What schemathesis cannot know: which numbers and names there are.
CONFIG = """
[parameters]
"path.subscriber" = ["1", "2", "3", "4", "5", "reader7@example.org"]
"path.number" = 1
"path.slug" = "{slug}"
"""


@pytest.fixture
def busy(sample: Database, settings: Settings, clock: Clock) -> Iterator[tuple[Program, Reader]]:
    """A store with readers and an issue that is being sent, and a program that may do everything."""
    for number in range(30):
        add(sample, f"reader{number}@example.org", now=clock.now)
    issues.draft(sample, settings, now=clock.now)
    issues.freeze(sample, settings, 1, now=clock.now)
    freeze_audience(sample, 1, now=clock.now)
    often = settings.model_copy(update={"api_calls_a_minute": 1_000_000})
    with served(often, clock) as reader, program(sample, reader.base_url, clock.now) as site:
        yield site, reader


def test_schemathesis_finds_no_answer_that_is_not_described(busy: tuple[Program, Reader], tmp_path: Path) -> None:
    site, _ = busy
    work = tmp_path / "schemathesis"
    work.mkdir()
    slug = site.get("comparisons", params={"limit": 1}).json()["items"][0]["slug"]
    (work / "schemathesis.toml").write_text(CONFIG.format(slug=slug))
    # A process of its own, so that its pytest plugin and its warnings are none of ours. An address is more than a
    # schema can say, so that data which the schema allows may be refused: that one check is left out.
    ran = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{site.base_url}openapi.json",
            "--header", f"Authorization: {site.headers['authorization']}",
            "--checks", "all", "--exclude-checks", "positive_data_acceptance",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "5", "--continue-on-failure",
            "--no-color", "--warnings", "off",
        ],
        cwd=work, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]
    passed = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert passed is not None, ran.stdout[-6_000:]
    assert int(passed[1]) > 1_000
    assert "19 selected / 19 total" in ran.stdout


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


@pytest.fixture
def document(reader: Reader) -> dict[str, Any]:
    answer = reader.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_the_description_is_whole(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "dgt_…",
        "description": document["components"]["securitySchemes"]["bearer"]["description"],
    }
    names = []
    for path, method, operation in operations(document):
        names.append(operation["operationId"])
        assert operation["security"][0]["bearer"], path
        assert operation["tags"], path
        assert operation["summary"], path
        assert operation["description"], path
        assert {"401", "403", "413", "414", "422", "429", "503"} <= operation["responses"].keys()
        for status, answer in operation["responses"].items():
            assert answer["description"], (path, status)
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
        if method in ("post", "put", "patch") and not path.endswith("/forget"):
            content = operation["requestBody"]["content"]["application/json"]
            assert content["example"], path
            assert {"400", "415"} <= operation["responses"].keys()
        if method == "post":
            assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
            assert "409" in operation["responses"]
    assert len(names) == len(set(names)) == 19
    schemas = document["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in references(document)} <= schemas.keys()
    assert "HTTPValidationError" not in schemas


def test_the_examples_of_the_description_work(busy: tuple[Program, Reader]) -> None:
    site, reader = busy
    document = reader.get("/api/v1/openapi.json").json()
    places = {"{slug}": "my-tool-2", "{subscriber}": "1", "{number}": "1"}
    site.put("comparisons/x", json={"left": {"name": "Bea"}, "right": {"name": "Cid"}})
    for path, method, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        if body is None:
            continue
        for place, value in places.items():
            path = path.replace(place, value)  # noqa: PLW2901
        if isinstance(body, dict) and "topics" in body:
            body = {**body, "topics": []}
        answer = site.request(method.upper(), path.lstrip("/"), json=body)
        assert answer.is_success, (path, answer.text)


def test_people_find_the_calls_and_every_problem_on_a_page(reader: Reader, document: dict[str, Any]) -> None:
    answer = reader.get("/api/v1/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for path, method, _ in operations(document):
        assert f"{method.upper()} {path}" in answer.text
    for kind in KINDS:
        assert f'id="{kind}"' in answer.text


def test_the_documentation_has_every_call_and_every_problem(document: dict[str, Any]) -> None:
    page = DOCS.read_text()
    for path, method, operation in operations(document):
        row = next((line for line in page.splitlines() if f"`{method.upper()} {path}`" in line), "")
        for scope in operation["security"][0]["bearer"]:
            assert f"`{scope}`" in row, (method, path)
    for kind in KINDS.values():
        assert f"| `{kind.name}` | {kind.status} |" in page


def test_a_store_that_stays_locked_is_a_problem_of_its_own(
    sample: Database, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)
    with served(settings, clock) as reader, program(sample, reader.base_url, clock.now) as site:
        sample.conn.execute("BEGIN IMMEDIATE")
        read = site.get("tools")
        written = site.post("suppressions", json={"email": "ada@example.org", "reason": "complaint"})
        sample.conn.execute("ROLLBACK")
        assert read.status_code == 200
        assert (written.status_code, written.headers["retry-after"]) == (503, "5")
        assert site.post("suppressions", json={"email": "ada@example.org", "reason": "complaint"}).status_code == 201
