"""The checks `unsubscribe`, `postal-address` and `sender`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conftest import with_html
from digest.issue.checks.duties import postal_address, sender, unsubscribe
from digest.issue.checks.model import Finding, Mail

WAY_OUT = "https://verdicts.example.com/u/[[digest:token]]"
ONE_CLICK = {"List-Unsubscribe": f"<{WAY_OUT}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
FOOTER = f'<p>1 Sample Street,<br>10115 Berlin</p><a href="{WAY_OUT}">Unsubscribe</a>'


@pytest.fixture
def ours(mail: Mail) -> Mail:
    """A mail that has all it must have, and little else."""
    envelope = replace(mail.content.envelope, sender_address="verdicts@verdicts.news", headers=ONE_CLICK)
    text = f"Unsubscribe:\n  {WAY_OUT}\n\n1 Sample Street,\n10115 Berlin\n"
    return replace(mail, content=replace(mail.content, envelope=envelope, html=FOOTER, text=text))


def with_headers(mail: Mail, **headers: str | None) -> Mail:
    """The same mail with other headers; None takes one out."""
    changed = mail.content.envelope.headers | {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in changed.items() if value is not None}
    return replace(mail, content=replace(mail.content, envelope=replace(mail.content.envelope, headers=kept)))


def with_envelope(mail: Mail, **values: str) -> Mail:
    return replace(mail, content=replace(mail.content, envelope=replace(mail.content.envelope, **values)))  # type: ignore[arg-type]


def with_settings(mail: Mail, **values: str) -> Mail:
    return replace(mail, settings=mail.settings.model_copy(update=values))


def to_people(mail: Mail) -> Mail:
    """The same mail with a provider that mails real people."""
    return with_settings(mail, provider="smtp")


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


@pytest.mark.parametrize("check", [unsubscribe, postal_address])
def test_our_own_mail_passes(mail: Mail, check: object) -> None:
    assert only(check(mail)).level == "pass"  # type: ignore[operator]


# unsubscribe


def test_all_ways_out_pass(ours: Mail) -> None:
    assert only(unsubscribe(ours)) == Finding(
        "unsubscribe", "pass", "one click in the header (RFC 8058), a link in the mail and in its plain text"
    )
    with_mailbox = f"<mailto:out@verdicts.news?subject=[[digest:token]]>, <{WAY_OUT}>"
    assert only(unsubscribe(with_headers(ours, List_Unsubscribe=with_mailbox))).level == "pass"


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (None, "the header List-Unsubscribe is missing"),
        ("<mailto:out@example.com?subject=[[digest:token]]>", "has no web address"),
        ("<https://verdicts.example.com/u/>", "has no token"),
    ],
)
def test_a_header_without_a_way_out_blocks(ours: Mail, header: str | None, what: str) -> None:
    finding = only(unsubscribe(with_headers(ours, List_Unsubscribe=header)))
    assert (finding.check, finding.level, finding.where) == ("unsubscribe", "block", "header List-Unsubscribe")
    assert what in finding.what
    assert finding.todo


def test_a_header_without_https_is_grave_only_where_real_people_are_mailed(ours: Mail) -> None:
    plain = with_headers(ours, List_Unsubscribe="<http://localhost:8000/u/[[digest:token]]>")
    assert only(unsubscribe(plain)).level == "warn"
    finding = only(unsubscribe(to_people(plain)))
    assert finding.level == "block"
    assert "https:// address (RFC 8058); it is http://localhost:8000/u/" in finding.what
    assert "base_url" in finding.todo


@pytest.mark.parametrize("post", [None, "list-unsubscribe=one-click", "List-Unsubscribe=One-Click "])
def test_the_one_click_header_is_exactly_as_the_rfc_has_it(ours: Mail, post: str | None) -> None:
    finding = only(unsubscribe(with_headers(ours, List_Unsubscribe_Post=post)))
    assert (finding.level, finding.where) == ("block", "header List-Unsubscribe-Post")
    assert "RFC 8058 asks for exactly 'List-Unsubscribe=One-Click'" in finding.what


@pytest.mark.parametrize(
    ("html", "what", "where"),
    [
        ("<p>Bye</p>", "no link to unsubscribe", "HTML"),
        (
            f'<p hidden class="out"><a href="{WAY_OUT}">Unsubscribe</a></p>',
            "hidden or has no words",
            '<a> in <p class="out">',
        ),
        (f'<a href="{WAY_OUT}"></a>', "hidden or has no words", "<a>"),
    ],
)
def test_a_mail_without_a_visible_link_blocks(ours: Mail, html: str, what: str, where: str) -> None:
    finding = only(unsubscribe(with_html(ours, lambda _: html)))
    assert (finding.check, finding.level, finding.where) == ("unsubscribe", "block", where)
    assert what in finding.what
    assert finding.todo


@pytest.mark.parametrize(
    "link",
    [
        '<span style="display:none">Unsubscribe</span>',
        '<span style="font-size:0">Unsubscribe</span>',
        '<span style="font-size:1px">Unsubscribe</span>',
        '<span style="opacity:0">Unsubscribe</span>',
        '<span style="color:#fff">Unsubscribe</span>',
        '<i style="text-indent:-999px">Unsubscribe</i>',
        '<i style="position:absolute;left:-9999px">Unsubscribe</i>',
        "<span>·</span>",
        "<style>@media (min-width:600px) { a { display:none } }</style>Unsubscribe",
        "<style>@media (prefers-color-scheme:dark) { a { color:white } }</style>Unsubscribe",
    ],
)
def test_words_of_the_link_that_nobody_sees_are_none(ours: Mail, link: str) -> None:
    finding = only(unsubscribe(with_html(ours, lambda html: html.replace(">Unsubscribe<", f">{link}<"))))
    assert (finding.check, finding.level, finding.where) == ("unsubscribe", "block", "<a>")
    assert "hidden or has no words" in finding.what


def test_it_says_on_which_screen_the_link_is_hidden(ours: Mail) -> None:
    style = "<style>@media (max-width:480px) and (prefers-color-scheme:dark) { a { display:none } }</style>"
    finding = only(unsubscribe(with_html(ours, lambda html: style + html)))
    assert "in dark mode on a screen 375 px wide" in finding.what


def test_one_visible_link_of_two_is_enough(ours: Mail) -> None:
    hidden = f'<a href="{WAY_OUT}" style="display:none">Unsubscribe</a>'
    assert only(unsubscribe(with_html(ours, lambda html: hidden + html))).level == "pass"


def test_a_link_that_leads_out_of_our_site_is_no_way_out(ours: Mail) -> None:
    ours = with_html(ours, lambda html: html + WAY_OUT.replace("/u/", "/p/").join(('<a href="', '">Preferences</a>')))
    evil = with_html(ours, lambda html: html.replace(WAY_OUT, WAY_OUT.replace("verdicts.example.com", "evil.example")))
    assert "no link to unsubscribe" in only(unsubscribe(evil)).what


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (f"<https://verdicts.example.com/u/abc>, <{WAY_OUT}>", "has no token"),
        ("<https://verdicts.example.com/u/abc>, <https://evil.example/[[digest:token]]>", "has no token"),
        (f"<https://evil.example/u/[[digest:token]]>, <{WAY_OUT}>", "is not on our site"),
        ("<https://verdicts.example.com@evil.example/u/[[digest:token]]>", "is not on our site"),
        ("<https://verdicts.example.com.evil.example/u/[[digest:token]]>", "is not on our site"),
    ],
)
def test_the_first_address_of_the_header_is_the_one_that_counts(ours: Mail, header: str, what: str) -> None:
    finding = only(unsubscribe(with_headers(ours, List_Unsubscribe=header)))
    assert (finding.level, finding.where) == ("block", "header List-Unsubscribe")
    assert what in finding.what


def test_a_frozen_issue_may_have_the_site_of_its_day(ours: Mail) -> None:
    assert only(unsubscribe(with_settings(ours, base_url="https://moved.example.org"))).level == "pass"


def test_a_plain_text_without_the_address_blocks(ours: Mail) -> None:
    finding = only(unsubscribe(replace(ours, content=replace(ours.content, text="Bye\n"))))
    assert (finding.level, finding.where) == ("block", "plain text")
    assert "/u/[[digest:token]]" in finding.what


# postal-address


def test_an_address_over_two_lines_passes(ours: Mail) -> None:
    assert only(postal_address(ours)).what == "“1 Sample Street, 10115 Berlin” is in the mail and in its plain text"


def test_no_postal_address_is_grave_only_where_real_people_are_mailed(ours: Mail) -> None:
    without = with_settings(ours, postal_address="")
    assert only(postal_address(without)).level == "warn"
    finding = only(postal_address(to_people(without)))
    assert (finding.check, finding.level, finding.where) == ("postal-address", "block", "setting postal_address")
    assert "must carry one by law in the US, Canada and the EU" in finding.what
    assert finding.todo.startswith("set postal_address")


def test_an_address_that_is_not_shown_blocks(ours: Mail) -> None:
    hidden = with_html(ours, lambda html: html.replace("<p>", '<p style="display:none">'))
    finding = only(postal_address(hidden))
    assert (finding.level, finding.where) == ("block", "HTML")
    assert "“1 Sample Street, 10115 Berlin” is not in the HTML" in finding.what
    bare = replace(ours, content=replace(ours.content, text="Bye\n"))
    assert (only(postal_address(bare)).level, only(postal_address(bare)).where) == ("block", "plain text")


def test_an_address_with_letters_nobody_sees_passes(ours: Mail) -> None:
    """Persian has a zero-width non-joiner within words; our cleaning breaks places with a word joiner."""
    address = "تهران، خیابان نمی\u200cدانم ۱۲"
    persian = with_html(ours, lambda html: html.replace("1 Sample Street,<br>10115 Berlin", address))
    text = ours.content.text.replace("1 Sample Street,\n10115 Berlin", address.replace(" ", "\n", 1))
    persian = with_settings(replace(persian, content=replace(persian.content, text=text)), postal_address=address)
    assert only(postal_address(persian)).level == "pass"
    assert [finding.where for finding in postal_address(with_settings(persian, postal_address=f"{address}۳"))] == [
        "HTML",
        "plain text",
    ]


# sender


def test_a_sender_of_ones_own_passes_and_another_domain_for_answers_is_remarked(ours: Mail) -> None:
    passed = only(sender(ours))
    assert passed.what == "from Weekly AI Tool Verdicts <verdicts@verdicts.news>"
    assert passed.level == "pass"
    elsewhere = only(sender(with_envelope(ours, reply_to="ada@office.org")))
    assert elsewhere.level == "pass"
    assert elsewhere.what.endswith("; answers go elsewhere, to ada@office.org")
    assert only(sender(with_envelope(ours, reply_to="ada@verdicts.news"))) == passed


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("verdicts@example.com", "nobody can own example.com"),
        ("verdicts@mail.example.org", "nobody can own mail.example.org"),
        ("verdicts@news.invalid", "nobody can own news.invalid"),
        ("verdicts@localhost", "nobody can own localhost"),
        ("ada@gmail.com", "in the name of gmail.com would be refused"),
        ("ada@Outlook.com", "in the name of outlook.com would be refused"),
    ],
)
def test_a_sender_that_cannot_be_ours_is_grave(ours: Mail, address: str, what: str) -> None:
    theirs = with_envelope(ours, sender_address=address)
    assert only(sender(theirs)).level == "warn"
    finding = only(sender(to_people(theirs)))
    assert (finding.check, finding.level, finding.where) == ("sender", "block", "setting sender_address")
    assert address in finding.what
    assert what in finding.what
    assert finding.todo == "set sender_address to an address of your own domain"


@pytest.mark.parametrize("address", ["ada@notexample.com", "ada@mygmail.com", "ada@mail.co", "ada@testing.org"])
def test_a_domain_that_only_looks_like_one_of_these_passes(ours: Mail, address: str) -> None:
    assert only(sender(with_envelope(ours, sender_address=address))).level == "pass"


@pytest.mark.parametrize("site", ["https://localhost:8000", "https://news.localhost"])
def test_a_site_that_no_reader_can_open_is_grave(ours: Mail, site: str) -> None:
    local = with_settings(ours, base_url=site)
    assert only(sender(local)).level == "warn"
    finding = only(sender(to_people(local)))
    assert (finding.check, finding.level, finding.where) == ("sender", "block", "setting base_url")
    assert f"base_url is {site}: no reader can open it" in finding.what
    assert finding.todo


def test_a_site_without_https_is_left_to_the_checks_of_links(ours: Mail) -> None:
    for site in ("http://localhost:8000", "http://verdicts.news"):
        assert only(sender(to_people(with_settings(ours, base_url=site)))).level == "pass"


def test_a_sender_without_a_name_warns(ours: Mail) -> None:
    finding = only(sender(with_envelope(ours, sender_name="")))
    assert (finding.level, finding.where) == ("warn", "setting sender_name")
    assert "no name" in finding.what
