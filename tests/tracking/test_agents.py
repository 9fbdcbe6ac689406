from __future__ import annotations

from ipaddress import ip_network

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from digest.tracking.agents import APPLE, Agent, agent_of

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135"
    " Safari/537.36 Edge/12.246 Mozilla/5.0"
)
READERS = (
    CHROME,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; WOW64; Trident/7.0; ms-office; MSOffice 16)",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)",
    "Outlook-iOS/723.4027091.prod.iphone (4.28.0)",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)",
    "MobileMail/3654.60.0.2.31 CFNetwork/1410.0.3 Darwin/22.6.0",
    # Names of devices that end like those of robots.
    "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/115.0 Safari/537.36",
    "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18",
)
SCANNERS = (
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Mimecast-URL-Scanner/1.0",
    "Mozilla/5.0 (compatible; Cisco-Secure-Email)",
    "Mozilla/5.0 (compatible; Trend Micro Email Security)",
    "Microsoft-URLAnalyzer/1.0",
)
PROGRAMS = (
    "curl/8.1.0",
    "python-requests/2.32.3",
    "Go-http-client/1.1",
    "Java/17.0.2",
    "node",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/129.0.0.0 Safari/537.36",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1) SkypeUriPreview Preview/0.5",
    "Microsoft Office Existence Discovery",
    "Mozilla/5.0 (compatible; SomethingNewBot/0.1)",
)


def of(user_agent: str, *, head: bool = False) -> Agent:
    return agent_of(user_agent, head=head, address=None, networks=())


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        *((words, Agent.BROWSER) for words in READERS),
        *((words, Agent.SCANNER) for words in SCANNERS),
        *((words, Agent.PROGRAM) for words in PROGRAMS),
        (APPLE, Agent.APPLE_PROXY),
        (f" {APPLE} ", Agent.APPLE_PROXY),
        (GMAIL, Agent.GMAIL_PROXY),
        (AHEAD, Agent.PREFETCH),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", Agent.OTHER_PROXY),
        ("", Agent.NONE),
        ("   ", Agent.NONE),
        ("Something", Agent.NONE),
        ("\x00\udcff🦊" * 3_000, Agent.NONE),
    ],
)
def test_what_asks_is_told_by_its_words(user_agent: str, agent: Agent) -> None:
    assert of(user_agent) is agent


def test_nothing_on_the_list_of_crawlers_is_taken_for_a_reader() -> None:
    readers = [
        words
        for crawler in CRAWLER_USER_AGENTS_DATA
        for words in crawler.get("instances", ())
        if len(words) < 500 and of(words) is Agent.BROWSER
    ]
    assert readers == []


@pytest.mark.parametrize("user_agent", [CHROME, APPLE, "", GMAIL])
def test_head_is_a_machine_whatever_it_says(user_agent: str) -> None:
    assert of(user_agent, head=True) is Agent.HEAD


@pytest.mark.parametrize(
    ("address", "agent"),
    [
        ("203.0.113.9", Agent.NETWORK),
        ("::ffff:203.0.113.9", Agent.NETWORK),
        ("2001:db8::1", Agent.NETWORK),
        ("203.0.114.9", Agent.BROWSER),
        ("2001:db9::1", Agent.BROWSER),
        ("testclient", Agent.BROWSER),
        ("", Agent.BROWSER),
        (None, Agent.BROWSER),
    ],
)
def test_networks_of_machines_go_before_words(address: str | None, agent: Agent) -> None:
    networks = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))
    assert agent_of(CHROME, head=False, address=address, networks=networks) is agent
    if agent is Agent.NETWORK:
        assert agent_of(CHROME, head=True, address=address, networks=networks) is agent


def test_the_numbers_in_the_store_never_change() -> None:
    """Readings of years have them: a new class gets a new number."""
    assert [agent.name for agent in sorted(Agent)] == [
        "BROWSER", "APPLE_PROXY", "GMAIL_PROXY", "OTHER_PROXY", "SCANNER", "PROGRAM", "NETWORK", "HEAD", "NONE",
        "PREFETCH",
    ]  # fmt: skip
