"""`/metrics`: who may read it, and that what it says is so and is documented."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from own_links import ada, begin_to_send
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlite_utils import Database

from conftest import NOW
from digest import __version__, times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.errors import SettingsError
from digest.providers.interface import Answer
from digest.sending import gauges as sending
from digest.sending import ledger
from digest.sending.ledger import Claimed
from digest.settings import Settings
from digest.sources import load
from digest.store.backups import name_of
from digest.tracking import counting
from digest.tracking.records import HookCall, encode
from digest.tracking.spool import folder_of, framed
from digest.web.observing import NO_ROUTE
from serving import Clock, Reader, served

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "observing.md").read_text()
TOKEN = "a-token-of-some-length"


def families(text: str) -> dict[str, Any]:
    """Each measure by the name it has in queries."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in text_string_to_metric_families(text)
    }


def figures(text: str) -> dict[str, dict[str, float]]:
    """The figures of each name by the values of their labels, in the order of the labels' names."""
    found: dict[str, dict[str, float]] = {}
    for family in families(text).values():
        for sample in family.samples:
            found.setdefault(sample.name, {})[" ".join(value for _, value in sorted(sample.labels.items()))] = (
                sample.value
            )
    return found


def asked(reader: Reader, headers: Mapping[str, str], version: int = 11) -> int:
    line = http.client.HTTPConnection(str(reader.base_url.host), reader.base_url.port, timeout=20)
    line._http_vsn = version  # type: ignore[attr-defined]
    line._http_vsn_str = f"HTTP/1.{version - 10}"  # type: ignore[attr-defined]
    line.putrequest("GET", "/metrics", skip_host=True)
    for name, value in headers.items():
        line.putheader(name, value)
    line.endheaders()
    status = line.getresponse().status
    line.close()
    return status


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Of a site that is not public: the figures are for this machine."""
    return settings.model_copy(update={"base_url": "http://localhost:8000"})


def test_without_a_token_nobody_may_read_those_of_a_public_site(
    sample: Database, settings: Settings, clock: Clock
) -> None:
    with served(settings.model_copy(update={"base_url": "https://verdicts.example.com"}), clock) as reader:
        assert asked(reader, {"Host": "localhost"}) == 404


def test_without_a_token_only_this_machine_itself_may_read_it(reader: Reader) -> None:
    assert asked(reader, {"Host": "localhost:8000"}) == 200
    assert asked(reader, {"Host": "[::1]:8000"}) == 200
    assert asked(reader, {"Host": "localhost"}, version=10) == 404
    assert asked(reader, {"Host": "verdicts.example.com"}) == 404
    for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "X-Forwarded-Proto"):
        assert asked(reader, {"Host": "localhost", name: "203.0.113.9"}) == 404, name
        assert asked(reader, {"Host": "localhost", name: "127.0.0.1"}) == 404, name
    # With a token that nobody asked for, it is no other page.
    assert asked(reader, {"Host": "localhost", "Authorization": "Bearer x"}) == 200


def test_with_a_token_nobody_else_may_read_it(sample: Database, settings: Settings, clock: Clock) -> None:
    own = settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    with served(own, clock) as reader:
        assert asked(reader, {"Host": "localhost"}) == 404
        assert asked(reader, {"Host": "localhost", "Authorization": f"Bearer {TOKEN}x"}) == 404
        assert asked(reader, {"Host": "localhost", "Authorization": f"Basic {TOKEN}"}) == 404
        assert asked(reader, {"Host": "localhost", "Authorization": "Bearer \u00fc"}) == 404
        given = {"Host": "verdicts.example.com", "X-Forwarded-For": "203.0.113.9", "Authorization": f"bearer {TOKEN}"}
        assert asked(reader, given) == 200
        answer = reader.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert TOKEN not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_a_measure_is_documented_in_its_own_words_and_no_other_is(reader: Reader) -> None:
    found = families(reader.get("/metrics").text)
    ours = {name: family for name, family in found.items() if name.startswith("digest_")}
    rows = {row[1]: (row[2], row[3]) for row in re.finditer(r"^\| `(digest_\w+)` \| (.*?) \| (.*?) \|$", PAGE, re.M)}
    assert {name: family.documentation for name, family in ours.items()} == {
        name: words for name, (_, words) in rows.items()
    }
    for name, family in ours.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        documented = {*re.findall(r"`(\w+)`", rows[name][0])}
        assert labels == documented or not family.samples, name
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "python_gc_collections_total"} <= {*found}


def test_requests_are_counted_by_route_and_nothing_of_an_address_is_a_label(reader: Reader) -> None:
    token = "AbCdEf012345678901234567"
    reader.get(f"/u/{token}")
    reader.get(f"/c/{token}/3")
    reader.get("/panel")
    reader.head("/panel")
    reader.get("/api/v1/subscribers/7")
    reader.get(f"/no/such/{token}")
    reader.request("BREW", "/panel")
    text = reader.get("/metrics").text
    counts = figures(text)["digest_http_requests_total"]
    for one in ("GET /u/{token} 400", "GET /panel 200", "HEAD /panel 200", "GET /c/{track}/{number} 400"):
        assert counts[one] == 1, one
    assert counts["GET /api/v1/subscribers/{subscriber} 401"] == 1
    assert counts[f"GET {NO_ROUTE} 404"] == 1
    # Whatever a stranger makes up, it is no label.
    assert {key.partition(" ")[0] for key in counts} <= {"GET", "HEAD", "other"}
    assert figures(text)["digest_http_request_duration_seconds_count"]["/panel"] == 2
    assert figures(text)["digest_http_request_duration_seconds_bucket"]["+Inf /panel"] == 2
    assert token not in text


def claim(db: Database, issue: int, after: int) -> Claimed:
    found = ledger.claim_batch(db, issue, provider="x", account="y", worker=1, size=1, after=after, now=NOW)
    assert found is not None
    return found


def test_what_an_issue_and_its_batches_are_is_told(sample: Database, settings: Settings, clock: Clock) -> None:
    for name in ("ada", "bob", "cyd"):
        ada(sample, settings, email=f"{name}@example.com")
    counted = sending.Settled(sample)
    issue = begin_to_send(sample, settings)
    first, second, third = (claim(sample, issue, after) for after in range(3))
    ledger.record(sample, first, Answer(), now=clock())
    clock.move_on(minutes=5)
    ledger.record(sample, second, Answer(uncertain={2: "the line broke"}), now=clock())
    counting.roll_up(sample, issue, now=clock())
    clock.move_on(minutes=2)
    found = {gauge.name: gauge for gauge in sending.gauges(sample, settings, now=clock())}
    assert found["issues"].figures["sending",] == 1
    assert found["latest_issue_number"].figures[()] == issue
    assert found["batches"].figures == {("claimed",): 1, ("uncertain",): 1, ("held",): 0}
    assert found["batch_oldest_seconds"].figures == {("claimed",): 420, ("uncertain",): 120, ("held",): 0}
    settled = {gauge.name: gauge.figures for gauge in counted.gauges(sample)}
    assert settled == {
        "batches_settled_total": {(first.provider, "answer"): 1},
        "copies_settled_total": {(first.provider,): 1},
    }
    ledger.record(sample, third, Answer(), now=clock())
    # A batch that was open when it was looked at first counts once, when it is settled.
    for _ in range(2):
        settled = {gauge.name: gauge.figures for gauge in counted.gauges(sample)}
        assert settled["batches_settled_total"] == {(first.provider, "answer"): 2}
    with served(settings, clock) as reader:
        text = reader.get("/metrics").text
    deliveries = figures(text)["digest_deliveries"]
    assert deliveries == {"accepted": 1, "claimed": 1, "uncertain": 1, "queued": 0, "rejected": 0, "skipped": 0}
    assert figures(text)["digest_build_info"] == {__version__: 1}


def test_what_waits_is_told_with_its_age(db: Database, settings: Settings, clock: Clock) -> None:
    letterbox.post(db, "sign-in", read_address("ada@example.com"), subscriber=None, now=clock())
    record = encode(HookCall("resend", b"{}", None, int(clock().timestamp() * 1000)))
    folder = folder_of(settings.db)
    folder.mkdir()
    (folder / "1-a.spool").write_bytes(framed(record))
    db.execute("INSERT INTO jobs VALUES ('backup', 'daily', ?)", [times.to_text(clock())])
    for state, minutes in (("done", 0), ("failed", 1)):
        clock.move_on(minutes=minutes)
        now = times.to_text(clock())
        db.execute(
            "INSERT INTO runs (job, due_at, state, by, worker, began_at, ended_at) VALUES (?1, ?2, ?3, 'x', 0, ?2, ?2)",
            ["backup", now, state],
        )
    settings.db.with_name("backups").mkdir()
    backup = settings.db.with_name("backups") / name_of(settings.db, clock())
    backup.write_bytes(b"x" * 7)
    clock.move_on(minutes=9)
    with served(settings, clock) as reader:
        found = figures(reader.get("/metrics").text)
        clock.move_on(hours=1)
        # It is kept for some seconds of the real clock: who asks often costs nothing.
        assert figures(reader.get("/metrics").text)["digest_letters_oldest_seconds"] == {"": 600}
    assert found["digest_letters"] == {"queued": 1, "claimed": 0, "uncertain": 0}
    assert found["digest_letters_oldest_seconds"] == {"": 600}
    assert found["digest_spool_files"] == {"": 1}
    assert found["digest_spool_bytes"] == {"": len(framed(record))}
    assert found["digest_spool_oldest_seconds"] == {"": 600}
    assert found["digest_schedule_runs_last_day"] == {"backup done": 1, "backup failed": 1}
    assert found["digest_backup_bytes"] == {"": 7}
    began = clock().timestamp() - 3600 - 600
    assert found["digest_schedule_last_success_timestamp_seconds"] == {"backup": began}
    assert found["digest_backup_last_success_timestamp_seconds"] == {"": began + 60}


def named_in(query: str) -> set[str]:
    """The measures of ours in a query."""
    return {*re.findall(r"\b(?:digest|process|python|up)_\w+", query)}


def test_every_measure_that_an_alert_or_the_board_asks_for_is_there(reader: Reader) -> None:
    known = {*figures(reader.get("/metrics").text), *families(reader.get("/metrics").text)}
    for suffix in ("_bucket", "_sum", "_count"):
        known.add(f"digest_http_request_duration_seconds{suffix}")
    alerts = (CHECKOUT / "deploy" / "prometheus" / "alerts.yml").read_text()
    board = json.loads((CHECKOUT / "deploy" / "grafana" / "digest.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 15
    asked_for = named_in(alerts) | {name for query in queries for name in named_in(query)}
    assert asked_for - known == set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    # Every alert is told of in the page, so that who is woken by one finds what to do.
    for alert in re.findall(r"alert: (\w+)", alerts):
        assert f"`{alert}`" in PAGE, alert


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("metrics_token", "short", "fewer than 16"),
        ("otlp_endpoint", "localhost:4318", "http://localhost:4318"),
        ("sentry_dsn", "https://sentry.example.com/", "it is no DSN"),
        ("log_format", "xml", "log_format"),
    ],
)
def test_a_wrong_setting_of_those_who_watch_is_told(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as told:
        load({name: value}, environment={})
    assert value not in str(told.value) or name in ("otlp_endpoint", "log_format")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here (apt-get install prometheus)")
def test_the_alerts_say_what_they_should(tmp_path: Path) -> None:
    for file in (CHECKOUT / "deploy" / "prometheus" / "alerts.yml", Path(__file__).with_name("alerts_test.yml")):
        shutil.copy(file, tmp_path)
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        ran = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
