"""The reference MJML compiler takes every mail of ours, strictly, and its page looks as ours does.

We render with mrml, a port of it. It is lenient where the reference is not: an unknown element or attribute is an
error here. The HTML of the two differs in white space, in the order of styles and in comments for Outlook; a reader
sees no difference, so their pictures are held together as strictly as the golden ones.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import product

import cases
import pytest
from comparing import compare

import machine
from browser import Browser, opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def reference() -> dict[str, dict[str, object]]:
    """What the reference made of every mail, by its name."""
    return compiled({name: cases.mail(name).mjml for name in cases.names()})


def compiled(mails: dict[str, str]) -> dict[str, dict[str, object]]:
    node = machine.needed(machine.find_node)
    given = json.dumps([{"name": name, "mjml": mjml} for name, mjml in mails.items()])
    program = [node, machine.TESTS / "node" / "compile.mjs"]
    done = subprocess.run(program, check=False, input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {mail["name"]: mail for mail in json.loads(done.stdout)}


@pytest.mark.parametrize("name", cases.names())
def test_the_reference_takes_every_mail(reference: dict[str, dict[str, object]], name: str) -> None:
    assert reference[name].get("errors", []) == []


@pytest.mark.parametrize(("name", "width"), list(product(cases.names(), (375, 1280))))
def test_the_reference_makes_the_same_of_it(
    browser: Browser, reference: dict[str, dict[str, object]], name: str, width: int
) -> None:
    ours = browser.show(cases.mail(name).html, width=width)
    theirs = browser.show(str(reference[name]["html"]), width=width)
    assert compare(ours.picture, theirs.picture).trouble == ""


def test_the_reference_names_what_is_wrong() -> None:
    mjml = cases.mail("one").mjml
    wrong = {
        "attribute": mjml.replace("<mj-text>", '<mj-text colour="red">', 1),
        "element": mjml.replace("</mj-body>", "<mj-nothing></mj-nothing></mj-body>"),
        "place": mjml.replace("</mj-body>", "<mj-text>Hello</mj-text></mj-body>"),
    }
    errors = {name: str(mail.get("errors")) for name, mail in compiled(wrong).items()}
    assert "(mj-text) — Attribute colour is illegal" in errors["attribute"]
    assert "(mj-nothing) — Element mj-nothing doesn't exist" in errors["element"]
    assert "mj-text cannot be used inside mj-body" in errors["place"]
