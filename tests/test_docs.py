"""The documentation says what is so: every command, option, setting and dependency is in it, and no link is dead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from digest import providers, simulators
from digest.cli import cli
from digest.errors import SettingsError
from digest.provider_options import default_of, fields_of
from digest.settings import SETTINGS
from digest.sources import load

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
COMMANDS = (CHECKOUT / "docs" / "cli.md").read_text()


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))
    else:
        yield path, command


def named(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("path", "command"), list(commands(cli)), ids=named)
def test_every_command_and_option_is_documented(path: tuple[str, ...], command: click.Command) -> None:
    assert f"`digest {' '.join(path)}" in COMMANDS
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert re.search(rf"`{option}\b", COMMANDS), option


@pytest.mark.parametrize(("path", "command"), list(commands(cli)), ids=named)
def test_every_command_and_option_has_help(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


def test_every_setting_is_documented_in_its_own_words() -> None:
    page = (CHECKOUT / "docs" / "settings.md").read_text()
    for name, field in SETTINGS.items():
        default = f"`{field.default}`" if field.default not in ("", None, ()) else ""
        assert f"| `{name}` | {default} | {field.description} |" in page


@pytest.mark.parametrize("name", providers.names())
def test_every_provider_has_its_page_its_tests_and_its_simulator(name: str) -> None:
    assert (CHECKOUT / "docs" / "providers" / f"{name}.md").is_file()
    assert (CHECKOUT / "tests" / "providers" / f"test_{name}.py").is_file()
    assert (name in simulators.names()) == (name != "outbox")


@pytest.mark.parametrize("name", providers.names())
def test_every_option_of_a_provider_is_documented_with_its_default(name: str) -> None:
    page = (CHECKOUT / "docs" / "providers" / f"{name}.md").read_text()
    rows = {row[1]: row[0] for row in re.finditer(r"^\| `(\w+)` \|.*$", page, re.MULTILINE)}
    assert {*fields_of(name)} - {*rows} == set()
    for option, of in fields_of(name).items():
        assert default_of(of) in rows[option]


def test_every_dependency_says_why_it_is_there() -> None:
    page = (CHECKOUT / "docs" / "dependencies.md").read_text()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    missing = [name for name in (re.split(r"[<>=~\[]", need)[0] for need in wanted) if name not in page]
    assert missing == []


def test_every_pinned_dependency_is_wanted_and_names_no_host() -> None:
    text = (CHECKOUT / "constraints.txt").read_text()
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in pins)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_no_link_in_a_page_is_dead(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_the_settings_shown_in_a_page_can_be_loaded(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        Path("digest.toml").write_text(block)
        settings = load(environment={}).settings
        if settings.provider in settings.providers:
            try:
                settings.options_for(settings.provider)
            except SettingsError as error:
                assert "there is no file" in str(error)  # noqa: PT017 (most pages raise nothing)


def test_the_readme_begins_with_the_two_commands() -> None:
    text = (CHECKOUT / "README.md").read_text()
    first = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert first is not None
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == ["make demo", "make test"]
