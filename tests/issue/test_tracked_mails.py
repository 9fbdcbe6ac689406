"""What is handed over leads by the site and ends in a picture; what is frozen, looked at and archived does not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import escape, unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlite_utils import Database

from conftest import NOW
from digest.errors import StateError
from digest.issue import approval, archive, editing, issues
from digest.issue.checks.model import Mail
from digest.issue.fit import LIMIT, fit, weight
from digest.issue.preview import message_of, preview
from digest.issue.tracked import (
    Tracking,
    addresses_in,
    as_mailed,
    comparisons_of,
    read,
    settings_of,
    with_utm,
    write,
)
from digest.mail import personalise
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH
from digest.web.impersonal import impersonal

SITE = "https://verdicts.example.com"
UTM = "utm_source=weekly&utm_campaign=issue-{number}"
COUNTS = Tracking("counts", SITE)
PLACE = "[[digest:track]]"
PICTURE = f'<img src="{SITE}/o/{PLACE}.gif" width="1" height="1" alt="" style="display:block;margin-top:-1px">'


def numbered(*addresses: str) -> dict[str, int]:
    return {address: number for number, address in enumerate(addresses, 1)}


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 drafted."""
    issues.draft(sample, settings, now=NOW)
    return sample


# Addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "with_tags"),
    [
        ("https://e.org", "https://e.org?utm_source=weekly&utm_campaign=issue-7"),
        ("https://e.org/a?b=c", "https://e.org/a?b=c&utm_source=weekly&utm_campaign=issue-7"),
        ("https://e.org/a?b=c&#d?e", "https://e.org/a?b=c&utm_source=weekly&utm_campaign=issue-7#d?e"),
        ("https://e.org/?", "https://e.org/?utm_source=weekly&utm_campaign=issue-7"),
        ("https://e.org/#/way?x=1", "https://e.org/?utm_source=weekly&utm_campaign=issue-7#/way?x=1"),
        ("https://e.org/?UTM%5Fsource=theirs", "https://e.org/?UTM%5Fsource=theirs&utm_campaign=issue-7"),
        ("https://e.org/?utm_source&utm_campaign=", "https://e.org/?utm_source&utm_campaign="),
        ("https://e.org/ö?q=%zz&&x=1", "https://e.org/ö?q=%zz&&x=1&utm_source=weekly&utm_campaign=issue-7"),
    ],
)
def test_tags_go_to_the_end_of_the_query_and_never_over_an_authors(address: str, with_tags: str) -> None:
    assert with_utm(address, UTM, 7) == with_tags
    assert with_utm(with_tags, UTM, 7) == with_tags
    assert with_utm(address, "", 7) == address


@given(st.from_regex(r"https://e\.org(/[a-z?&=%#.;ö]*)?", fullmatch=True))
@example("https://e.org/?a&#")
def test_of_any_address_nothing_is_lost_by_tags(address: str) -> None:
    found = with_utm(address, UTM, 7)
    rest, sign, fragment = address.partition("#")
    assert found.endswith(sign + fragment)
    assert found.startswith(rest.rstrip("&?")) or rest.rstrip("&") in found
    assert found.count("utm_source=") >= 1


@pytest.mark.parametrize(
    "kept",
    [
        f'<a href="{SITE}/v/[[digest:token]]/cursor/ship">x</a>',
        '<a href="mailto:a@e.org?subject=x">x</a>',
        '<a href="#top">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="">x</a>',
        '<a name="https://e.org">x</a>',
        '<link href="https://e.org/style.css">',
        '<img src="https://e.org/a.png" alt="href=&quot;https://e.org&quot;">',
        "<p>Go to https://e.org or &lt;a href=&quot;https://e.org&quot;&gt;</p>",
        "<a title='x href=\"https://e.org\"'>x</a>",
        '<abbr href="https://e.org">x</abbr>',
    ],
)
def test_nothing_but_links_of_the_web_that_all_copies_share_is_written_anew(kept: str) -> None:
    assert addresses_in(kept) == ()
    assert as_mailed(f"{kept}</body></html>", COUNTS, numbered("https://e.org")) == f"{kept}{PICTURE}</body></html>"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ('<a href="https://e.org/?a=1&amp;b=2" style="x">', "https://e.org/?a=1&b=2"),
        ('<a class="w"\n  aria-label="A &gt; b > c" href="http://e.org/">', "http://e.org/"),
        ("<A HREF='https://e.org/&#39;'>", "https://e.org/'"),
        ('<!--[if mso]><v:roundrect xmlns:v="urn" href="https://e.org/b" arcsize="8%"><![endif]-->', "https://e.org/b"),
        ('<area shape="rect" href="https://e.org/c">', "https://e.org/c"),
        ('<a href="HTTPS://E.org/ö/%5B%5Bdigest:token%5D%5D">', "HTTPS://E.org/ö/%5B%5Bdigest:token%5D%5D"),
    ],
)
def test_whatever_a_link_looks_like_its_address_alone_is_written_anew(link: str, address: str) -> None:
    assert addresses_in(link) == (address,)
    found = as_mailed(link, COUNTS, {address: 12})
    before = link[: link.lower().index("href=") + len("href=")]
    after = link[len(before) :].partition(link[len(before)])[2].partition(link[len(before)])[2]
    assert found == f'{before}"{SITE}/c/{PLACE}/12"{after}{PICTURE}'


def test_an_address_that_was_not_written_down_stays() -> None:
    html = '<a href="https://e.org/1"><a href="https://e.org/2"></body>'
    found = as_mailed(html, COUNTS, {"https://e.org/2": 1})
    assert found == f'<a href="https://e.org/1"><a href="{SITE}/c/{PLACE}/1">{PICTURE}</body>'


def test_the_same_address_has_one_number_however_it_is_written() -> None:
    html = '<a href="https://e.org/?a&amp;b"><a href="https://e.org/?a&#38;b"><a href="https://e.org/?a&b">'
    assert addresses_in(html) == ("https://e.org/?a&b",)
    assert as_mailed(html, COUNTS, {"https://e.org/?a&b": 3}).count(f"/c/{PLACE}/3") == 3


def test_the_picture_is_the_last_thing_of_the_body() -> None:
    assert as_mailed("<p>x</p></BODY ></html>", COUNTS, {}) == f"<p>x</p>{PICTURE}</BODY ></html>"
    assert as_mailed("<i>&lt;/body&gt;</i>", COUNTS, {}).endswith(PICTURE)
    twice = as_mailed("</body><p></body></html>", COUNTS, {})
    assert twice == f"</body><p>{PICTURE}</body></html>"


def test_a_link_that_only_machines_follow_is_there_where_it_is_wanted() -> None:
    assert "/c/" not in as_mailed("</body>", COUNTS, {})
    found = as_mailed("</body>", replace(COUNTS, hidden=True), {})
    assert re.fullmatch(r'<div style="display:none[^>]+aria-hidden="true"><a [^>]+></a></div><img [^>]+></body>', found)
    assert f'href="{SITE}/c/{PLACE}/0" tabindex="-1"' in found


@given(
    st.lists(
        st.sampled_from(
            [
                '<a href="https://e.org/1?a&amp;b">',
                "<a href='https://e.org/2'>",
                f'<a href="{SITE}/u/[[digest:token]]">',
                '<v:rect href="https://e.org/3">',
                "</a>",
                "[[digest:greeting]]",
                "é > \" ' <b> & text",
                "\n",
                "</body>",
                '<a href="mailto:x@e.org">',
            ]
        )
    )
)
def test_taken_back_it_is_what_it_was(parts: list[str]) -> None:
    """What was written anew is addresses, and what was added is at the end of the body; all else is as it was."""
    html = "".join(parts)
    numbers = numbered(*addresses_in(html))
    found = as_mailed(html, COUNTS, numbers)
    personalise.split(found, tracked=True)
    by_number = {number: address for address, number in numbers.items()}
    back = re.sub(
        rf"{re.escape(SITE)}/c/\[\[digest:track\]\]/(\d+)",
        lambda m: escape(by_number[int(m[1])]),
        found.replace(PICTURE, ""),
    )
    assert back == html.replace("<a href='https://e.org/2'>", '<a href="https://e.org/2">')


def test_where_nothing_is_counted_the_addresses_themselves_have_tags() -> None:
    html = f'<a href="https://e.org/?a&amp;b"><a href="{SITE}/u/[[digest:token]]"></body>'
    found = as_mailed(html, Tracking("off", utm="utm_source=x&utm_id=7"), {})
    assert found == html.replace("a&amp;b", "a&amp;b&amp;utm_source=x&amp;utm_id=7")
    assert as_mailed(html, None, {"https://e.org/?a&b": 1}) == html


def test_an_address_belongs_to_the_first_comparison_that_it_is_about(draft: Database, settings: Settings) -> None:
    placed = [item.comparison for item in issues.load_draft(draft, 1).placed]
    first, other = placed[0], placed[1]
    shared = next(tool for tool in (first.left, first.right) if tool.slug in (other.left.slug, other.right.slug))
    own = next(tool for tool in (other.left, other.right) if tool.slug != shared.slug)
    pages = [
        f"{SITE}/compare/{other.slug}", f"{SITE}/compare/{first.slug}?x=1#votes", f"{SITE}/tools/{shared.slug}",
        f"{SITE}/tools/{own.slug}", f"{SITE}/issues/1", "https://social.example.com/@us",
    ]  # fmt: skip
    assert comparisons_of(pages, placed, SITE) == dict(
        zip(pages, [other.slug, first.slug, first.slug, other.slug], strict=False)
    )
    with_page = replace(first, left=replace(first.left, url="https://tool.example.com/?ref=1"))
    assert comparisons_of(["https://tool.example.com/?ref=1"], [with_page], SITE) == {
        "https://tool.example.com/?ref=1": first.slug
    }


# Frozen ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("utm", ["", UTM])
@pytest.mark.parametrize("mode", ["off", "counts", "readers"])
def test_what_approval_froze_is_read_as_it_was(settings: Settings, mode: str, utm: str, hidden: bool) -> None:
    given = settings.model_copy(update={"tracking": mode, "utm": utm, "hidden_link": hidden})
    found = Tracking.of(given, 7)
    assert read(*write(found)) == found
    assert (write(found)[0] is None) == (mode == "off")
    assert "{number}" not in str(found)
    other = settings.model_copy(update={"tracking": "counts", "utm": "a=b", "hidden_link": not hidden})
    assert Tracking.of(settings_of(other, found), 8) == found


def columns(db: Database) -> tuple[str | None, str | None]:
    found: tuple[str | None, str | None] = db.execute("SELECT tracking, utm FROM issues").fetchone()
    return found


def test_an_edit_takes_back_what_was_frozen(draft: Database, settings: Settings) -> None:
    readers = settings.model_copy(update={"tracking": "readers", "utm": UTM, "hidden_link": True})
    issues.freeze(draft, readers, 1, now=NOW)
    assert columns(draft) == (
        f'{{"mode": "readers", "utm": "utm_source=weekly&utm_campaign=issue-1", "hidden": true, "site": "{SITE}"}}',
        "utm_source=weekly&utm_campaign=issue-1",
    )
    editing.edit(draft, 1, now=NOW, subject="Another", settings=readers)
    assert columns(draft) == (None, None)
    issues.freeze(draft, settings.model_copy(update={"tracking": "off"}), 1, now=NOW)
    assert columns(draft) == (None, None)


def test_the_settings_of_later_change_nothing_about_an_approved_issue(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    mail = approval.mail_of(draft, settings.model_copy(update={"tracking": "readers", "utm": UTM}), 1)
    assert mail.content.tracking == Tracking("counts", SITE)
    assert issues.check_issues(draft) == []


def test_how_it_is_counted_is_part_of_what_is_approved(draft: Database, settings: Settings) -> None:
    def content_hash(**changed: object) -> str:
        mail: Mail = approval.mail_of(draft, settings.model_copy(update=changed), 1)
        return issues.content_hash(mail.content)

    ways: list[dict[str, object]] = [
        {}, {"tracking": "readers"}, {"tracking": "off"}, {"utm": UTM}, {"hidden_link": True},
        {"tracking": "off", "utm": UTM},
    ]  # fmt: skip
    assert len({content_hash(**way) for way in ways}) == len(ways)
    # The hash of an issue that an older digest approved, which counted nothing, stays what it was.
    untracked = approval.mail_of(draft, settings.model_copy(update={"tracking": "off"}), 1).content
    assert untracked.tracking is None
    assert content_hash(tracking="off", hidden_link=True) == issues.content_hash(untracked)


def test_what_a_person_looked_at_is_what_is_frozen(draft: Database, settings: Settings) -> None:
    seen = issues.content_hash(approval.mail_of(draft, settings, 1).content)
    with pytest.raises(StateError, match="has changed since you looked at it"):
        issues.freeze(draft, settings.model_copy(update={"tracking": "readers"}), 1, now=NOW, expected=seen)
    assert issues.freeze(draft, settings, 1, now=NOW, expected=seen).content_hash == seen
    draft.execute("UPDATE issues SET tracking = replace(tracking, 'counts', 'readers')")
    assert issues.check_issues(draft) == ["issue 1 is not what was approved: its content does not match its hash"]


def test_a_template_cannot_have_the_place_itself() -> None:
    with pytest.raises(personalise.PlaceError, match="track"):
        personalise.split(f"<p>{PLACE}</p>")


# As it is looked at ------------------------------------------------------------------------------------------------


def test_what_is_frozen_shown_tested_and_archived_has_the_real_addresses(draft: Database, settings: Settings) -> None:
    given = settings.model_copy(update={"tracking": "readers", "hidden_link": True, "utm": UTM})
    issues.freeze(draft, given, 1, now=NOW)
    content = issues.frozen(draft, 1)
    assert content is not None
    files = preview(issues.load_draft(draft, 1), content)
    draft.execute("UPDATE issues SET state = 'sent', sending_at = approved_at")
    web_copy = impersonal(archive.frozen_html(draft, 1), SITE, archive.pages_of_tools(draft, 1))
    for text in (content.html, content.text, web_copy, *(part.decode() for part in files.values())):
        assert "/c/" not in text
        assert "/o/" not in text
        assert "digest:track" not in text
        assert "utm_" not in text
        assert 'height="1"' not in text
    assert f'href="{SITE}/compare/cursor-vs-claude-code"' in web_copy


def test_all_that_is_handed_over_is_counted_but_what_is_the_readers_own(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    content = issues.frozen(draft, 1)
    assert content is not None
    numbers = numbered(*addresses_in(content.html))
    message = message_of(content, numbers)
    html = message.html.fill({"token": "TOKEN", "track": "TRACK", "greeting": "Hello,"})
    found = [unescape(address) for address in re.findall(r'<a [^>]*href="([^"]*)"', html)]
    assert {address for address in found if "/c/" not in address} == {
        address for address in found if re.match(f"{SITE}/[vpu]/TOKEN", address)
    }
    assert {int(address.rpartition("/")[2]) for address in found if "/c/" in address} == set(numbers.values())
    assert message.text == message_of(content).text
    assert set(content.links) == set(numbers)


# Weight ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["off", "counts"])
def test_the_weight_is_that_of_what_is_handed_over(draft: Database, settings: Settings, mode: str) -> None:
    given = settings.model_copy(update={"tracking": mode, "hidden_link": True, "utm": "utm_source=" + "x" * 60})
    content = fit(issues.load_draft(draft, 1), given).content
    links = addresses_in(content.html)
    for start in (1, 900):
        message = message_of(content, dict(zip(links, range(start, 9999), strict=False)))
        token = "T" * TOKEN_LENGTH
        html = message.html.fill({"token": token, "track": token, "greeting": personalise.greeting('"' * 100)}, escape)
        assert len(html.encode()) <= weight(content) <= len(html.encode()) + 4 * html.count("/c/") + 20
        assert weight(content) <= LIMIT


def test_an_issue_that_counting_makes_too_heavy_is_made_smaller(draft: Database, settings: Settings) -> None:
    given = settings.model_copy(update={"base_url": "https://x.example", "full_comparisons": 2})
    off = given.model_copy(update={"tracking": "off"})
    content = fit(issues.load_draft(draft, 1), off, limit=10**9).content
    limit = weight(content)
    assert fit(issues.load_draft(draft, 1), off, limit=limit).moved == ()
    counted = fit(issues.load_draft(draft, 1), given, limit=limit)
    assert counted.moved
    assert weight(counted.content) <= limit


def test_a_time_is_set_without_touching_it(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    before = columns(draft)
    issues.reschedule(draft, settings, 1, now=NOW, at=NOW + timedelta(hours=1))
    assert columns(draft) == before
