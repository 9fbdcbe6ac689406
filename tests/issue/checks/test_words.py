"""The checks `subject` and `preheader`."""

from __future__ import annotations

import pytest

from conftest import NOW
from digest.catalogue.model import Comparison, Tool, Votes
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.words import perceived, preheader, subject
from digest.issue.model import Draft, Envelope, Placed, Rendered
from digest.settings import Settings

GOOD_SUBJECT = "Cursor vs Claude Code, and 5 more verdicts"
GOOD_PREHEADER = "Panel ships Cursor 4–2 and Claude Code 5–2. Also: Ollama vs vLLM."


def mail_of(subject: str = GOOD_SUBJECT, preheader: str = GOOD_PREHEADER, tools: tuple[str, ...] = ()) -> Mail:
    pair = [Tool(name, name, None, None, None, None, None, None, None, (), Votes()) for name in tools]
    placed = (Placed(Comparison(1, "a-vs-b", pair[0], pair[1], NOW), "full"),) if pair else ()
    content = Rendered(Envelope("", "", "", {}), subject, preheader, "", "<p>x</p>", "x", ())
    return Mail(Draft(7, NOW, subject, preheader, "", placed), content, Settings())


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


def test_our_own_words_pass(mail: Mail) -> None:
    for check, found in (("subject", subject(mail)), ("preheader", preheader(mail))):
        assert (only(found).check, only(found).level) == (check, "pass")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (GOOD_SUBJECT, "42 characters; a phone shows about 40: “Cursor vs Claude Code, and 5 more verdi…”"),
        ("Cursor vs Claude Code", "21 characters; it fits on a phone"),
        ("Is Cursor still worth it? Yes! ☕", "32 characters; it fits on a phone"),
        ("ChatGPT, GPT-4 API and the UN: what AI costs in USD", "51 characters;"),
        ("通义千问 (Qwen) vs Le Chat (Mistral AI)", "35 characters; it fits on a phone"),
        ("\u2068נקדן דיקטה\u2069 vs DeepL: ship or skip?", "34 characters; it fits on a phone"),
        ("\u2068נקדן\u2069 vs \u2068דיקטה \u2068DeepL\u2069\u2069: ship or skip?", "34 characters; it fits on a phone"),
        ("NASA and IEEE compare tools every week", "38 characters; it fits on a phone"),
        ("Re-reading the verdicts on Cursor", "33 characters; it fits on a phone"),
        ("A family of tools: 👩‍👩‍👧‍👦", "20 characters; it fits on a phone"),
    ],
)
def test_a_good_subject_passes(text: str, what: str) -> None:
    finding = only(subject(mail_of(text)))
    assert finding.level == "pass"
    assert finding.what.startswith(what)
    assert (finding.where, finding.todo) == ("", "")


@pytest.mark.parametrize(
    ("text", "level", "what"),
    [
        ("", "block", "the subject is empty"),
        ("\n ", "block", "the subject is empty"),
        ("Cursor vs [[digest:greeting]] this week", "block", "“[[digest:” is left"),
        ("Hello {{ first_name }}, your verdicts", "block", "“{{” is left"),
        ("x" * 79, "warn", "has 79 characters; most inboxes show 78"),
        ("Verdicts", "warn", "only 8 characters"),
        ("THIS WEEK the BEST tools, JUST for you", "warn", "4 of 5 longer words are in capitals"),
        ("SHIP or SKIP 日本語のツール 今週の判定は", "warn", "2 of 2 longer words are in capitals"),
        ("Ship it 🚀 now or skip it 🔥", "warn", "2 emoji"),
        ("Verdicts from France 🇫🇷 and Japan 🇯🇵", "warn", "2 emoji"),
        ("★★★ The tools of the week", "warn", "3 emoji"),
        ("The verdict on Cursor is in!!", "warn", "“!!”"),
        ("Is Cursor still worth it?!", "warn", "“?!”"),
        ("Save $$$ with free tools", "warn", "“$$$”"),
        ("Re: your question about Cursor", "warn", "begins with “Re:”"),
        ("FWD: the verdicts of the week", "warn", "begins with “FWD:”"),
        ("AW [2]: die Urteile der Woche", "warn", "begins with “AW [2]:”"),
        ("The verdict on \u202erosruC\u202c is in", "warn", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("Cursor vs\r\nBcc: all@example.com", "warn", "U+000D control character, U+000A control character"),
        ("Free\u200b tools of the week", "warn", "U+200B ZERO WIDTH SPACE"),
        ("The verdict on \u2067Cursor is in", "warn", "U+2067 RIGHT-TO-LEFT ISOLATE"),
        ("The verdict on \u2066Cursor\u2069 is in", "warn", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("The verdict on \u2068מנוע\u2069 abc\u2069 is in", "warn", "U+2069 POP DIRECTIONAL ISOLATE"),
        ("The verdict on \u2068מנוע is in", "warn", "U+2068 FIRST STRONG ISOLATE"),
    ],
)
def test_a_poor_subject(text: str, level: str, what: str) -> None:
    finding = only(subject(mail_of(text)))
    assert (finding.check, finding.level) == ("subject", level)
    assert what in finding.what
    assert finding.where.startswith("subject “")
    assert finding.where.isprintable()
    assert 'digest edit 7 --subject "…"' in finding.command


def test_every_trouble_of_a_subject_is_told() -> None:
    assert len(subject(mail_of("RE: LAST CHANCE!!! FREE TOOLS 🚀🚀"))) == 4


def test_names_that_tools_write_in_capitals_are_not_shouted() -> None:
    text = "VOICEVOX vs GROK: which?"
    assert only(subject(mail_of(text))).level == "warn"
    assert only(subject(mail_of(text, tools=("VOICEVOX", "GROK")))).level == "pass"


@pytest.mark.parametrize("text", ["日本語のツールを比べます、今週の判定", "أدوات الذكاء الاصطناعي هذا الأسبوع"])
def test_scripts_without_capitals_do_not_shout(text: str) -> None:
    assert only(subject(mail_of(text))).level == "pass"


def test_a_good_preheader_passes() -> None:
    finding = only(preheader(mail_of()))
    assert finding == Finding("preheader", "pass", "65 characters: “Panel ships Cursor 4–2 and Claude Code…”")


@pytest.mark.parametrize(
    ("text", "level", "what"),
    [
        ("", "warn", "the preheader is empty"),
        ("Short.", "warn", "only 6 characters"),
        ("word " * 31, "warn", "has 155 characters"),
        (GOOD_SUBJECT.upper(), "warn", "says the same as the subject"),
        ("A panel of four looked at {{ count }} tools this week", "block", "“{{” is left"),
        ("A panel of four looked at \u202etools this week", "warn", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ],
)
def test_a_poor_preheader(text: str, level: str, what: str) -> None:
    finding = only(preheader(mail_of(preheader=text)))
    assert (finding.check, finding.level) == ("preheader", level)
    assert what in finding.what
    assert finding.where.startswith("preheader “")
    assert 'digest edit 7 --preheader "…"' in finding.command


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("abc", 3),
        ("e\u0301", 1),
        ("👩‍👩‍👧‍👦", 1),
        ("👍🏽", 1),
        ("🇫🇷🇯🇵", 2),
        ("❤️", 1),
        ("नमस्ते", 4),
        ("\u2068a\u2069", 1),
        ("1️⃣", 1),
    ],
)
def test_what_a_person_sees_as_one_character_counts_as_one(text: str, count: int) -> None:
    assert perceived(text) == count


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("{{mustache}}", "{{mustache}} vs Handlebars: ship or skip?"),
        ("{{mustache}}", "Handlebars vs {{must…, and 5 more verdicts"),
        ("{{ mus  tache }}", "Is {{ mus tache }} any good? The panel on it"),
        ("[[digest: a diary]]", "Panel ships [[digest: a… 4–0. And more of it."),
        ("*|TAG|* ואחר", "Panel ships \u2068*|TAG|* ואחר\u2069 4–0, Handlebars 3–1."),
    ],
)
def test_a_tool_may_be_called_like_a_place(name: str, text: str) -> None:
    assert only(subject(mail_of(text, tools=(name, "Handlebars")))).level == "pass"
    assert only(preheader(mail_of(preheader=text, tools=(name, "Handlebars")))).level == "pass"
    assert only(subject(mail_of(text, tools=("Other", "Handlebars")))).level == "block"


def test_a_place_beside_such_a_name_is_left_over_all_the_same() -> None:
    text = "{{name}}, is {{mustache}} better than {{ever…"
    finding = only(subject(mail_of(text, tools=("{{mustache}}", "Handlebars"))))
    assert (finding.level, "“{{” is left" in finding.what) == ("block", True)
