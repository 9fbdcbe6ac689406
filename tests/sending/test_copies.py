"""Each copy has its own values, and no more of them than its provider sends."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr
from sendings import LINKS, SIGNERS
from sqlite_utils import Database

from conftest import NOW
from digest.mail import personalise
from digest.providers.interface import Message
from digest.sending.copies import Signers, Writer
from digest.sending.ledger import Copies
from digest.settings import Settings

MESSAGE = Message(
    "Verdicts",
    "v@example.com",
    "",
    "Subject",
    personalise.split("<p>[[digest:greeting]] <a href='https://x.example/u/[[digest:token]]'>out</a></p>"),
    personalise.split("[[digest:greeting]]"),
    {"Message-ID": personalise.split("<[[digest:message]]@example.com>")},
)
PLAIN = replace(MESSAGE, html=personalise.split("<p>All alike</p>"), text=personalise.split("All alike"), headers={})
COPIES: Copies = ((7, "ada@example.com", "Ada"), (9, "bea@example.com", None))


def writer(message: Message = MESSAGE, *, nonce: str | None = "abcd", unused: tuple[str, ...] = ()) -> Writer:
    return Writer.of(3, message, SIGNERS, nonce=nonce, unused=unused)


def test_a_copy_has_a_token_a_name_and_a_greeting_of_its_own() -> None:
    ada, bea = writer().recipients(COPIES)
    assert (ada.subscriber, ada.address, bea.subscriber, bea.address) == (7, "ada@example.com", 9, "bea@example.com")
    assert LINKS.read("copy", ada.values["token"]) == (3, 7)
    assert SIGNERS.messages.salted("abcd").read("message", bea.values["message"]) == (3, 9)
    assert (ada.values["greeting"], bea.values["greeting"]) == ("Hello Ada,", "Hello,")


def test_the_same_copy_of_another_sending_has_another_name_and_the_same_token() -> None:
    found = [writer(nonce=nonce).recipients(COPIES)[0].values for nonce in ("abcd", "efgh", None)]
    assert len({values["message"] for values in found}) == 3
    assert len({values["token"] for values in found}) == 1
    assert SIGNERS.messages.read("message", found[2]["message"]) == (3, 7)


def test_values_that_nobody_sends_are_not_made() -> None:
    assert [sorted(r.values) for r in writer(unused=("message",)).recipients(COPIES)] == [["greeting", "token"]] * 2
    assert [sorted(r.values) for r in writer(unused=("token",)).recipients(COPIES)] == [["greeting", "message"]] * 2
    assert [r.values for r in writer(PLAIN).recipients(COPIES)] == [{}, {}]
    assert writer().recipients(()) == ()


def test_whichever_way_they_are_made_the_values_are_the_same() -> None:
    for one, other in zip(writer().recipients(COPIES), writer(unused=("message",)).recipients(COPIES), strict=True):
        assert {name: one.values[name] for name in ("token", "greeting")} == other.values


def test_the_domain_of_an_address_is_put_into_ascii() -> None:
    copies: Copies = ((1, "ada@bücher.example", None), (2, "аня@пример.example", None), (3, "Ada@Example.com", None))
    found = [recipient.address for recipient in writer().recipients(copies)]
    assert found == ["ada@xn--bcher-kva.example", "аня@xn--e1afmkfd.example", "Ada@Example.com"]


def test_another_key_for_links_does_not_hide_what_arrived(db: Database, settings: Settings) -> None:
    before = Signers.of(db, settings, now=NOW)
    after = Signers.of(db, settings.model_copy(update={"secret_key": SecretStr("x" * 32)}), now=NOW)
    assert before.links.sign("copy", 1, 1) != after.links.sign("copy", 1, 1)
    assert before.messages.sign("message", 1, 1) == after.messages.sign("message", 1, 1)
    again = Signers.of(db, settings, now=NOW)
    assert again.links.sign("copy", 1, 1) == before.links.sign("copy", 1, 1)
