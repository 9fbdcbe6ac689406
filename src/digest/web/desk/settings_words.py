"""What the settings are called before people, and what their choices mean."""

from __future__ import annotations

from collections.abc import Mapping

from digest.chosen import Section
from digest.palettes import WORDS
from digest.sentences import capital

TITLES: Mapping[Section, tuple[str, str]] = {
    "newsletter": ("Newsletter", "What it is called, whose it is, and where it stands in the world."),
    "theme": ("Theme", "The colours of the mail and of the site, for light and for dark, and the logo."),
    "sender": ("Sender", "Who the mail is from, and what the DNS must say so that receivers believe it."),
    "issue": ("Issue", "What an issue shows, to whom, and how it goes out."),
    "week": (
        "Week",
        "What happens by itself, and when: the next issue is drafted, publishers are reminded of it, and where you say"
        " so it is approved and goes out.",
    ),
    "readers": ("Readers", "The letters readers get beside the issue, and who may sign up how often."),
}

LABELS: Mapping[str, str] = {
    "newsletter_name": "Name",
    "newsletter_tagline": "Tagline",
    "language": "Language",
    "timezone": "Time zone",
    "postal_address": "Postal address",
    "social_links": "Links in the footer",
    "logo_url": "Address of the logo",
    "logo_width": "Width of the logo, in pixels",
    "sender_name": "Sender’s name",
    "sender_address": "Sender’s address",
    "reply_to": "Answers go to",
    "unsubscribe_mailto": "Mailbox for unsubscribing by mail",
    "list_id": "List-Id",
    "dkim_selector": "DKIM selector",
    "full_comparisons": "Comparisons in full",
    "brief_comparisons": "Comparisons in brief",
    "off_topic": "A week without anything on a reader’s topics",
    "topic_variants": "Versions for readers’ topics, at most",
    "tracking": "Counting opens and clicks",
    "utm": "UTM tags",
    "hidden_link": "A link no person sees",
    "quiet_hours": "Quiet hours",
    "uncertain": "Copies that may have been accepted",
    "four_eyes": "Two people approve",
    "draft_at": "The next issue is drafted",
    "send_at": "An issue usually goes out",
    "remind_hours": "Hours before it, a reminder",
    "auto_approve": "Approved by itself",
    "welcome_letter": "Letter of welcome",
    "goodbye_letter": "Letter of goodbye",
    "confirm_days": "Days a confirmation works",
    "sign_ups_per_address": "Confirmations an address may be sent in a day",
    "sign_ups_per_network": "Sign-ups from one network in an hour",
    "sign_ups_per_hour": "Confirmations in an hour, all together",
    "disposable_addresses": "Throw-away addresses",
    "check_mail_host": "Ask the DNS about new addresses",
    **{f"color_{name}": capital(words) for name, words in WORDS.items()},
    **{f"color_{name}_dark": capital(words) for name, words in WORDS.items()},
}

HINTS: Mapping[str, str] = {
    "language": "A tag such as en, de or pt-BR: what the mail says it is in. Our own words in it are English.",
    "timezone": "Times are shown in it, and an issue goes out by it. Type a city, such as Europe/Berlin.",
    "postal_address": "In the footer; bulk mail must carry one by law.",
    "social_links": "One a line: its words, =, its address. Such as: Mastodon = https://example.social/@verdicts",
    "sender_name": "The newsletter’s name stands for it where it is empty.",
    "sender_address": "Its domain must be yours: the records below are for it.",
    "reply_to": "The sender’s address, where it is empty. Somebody should read it.",
    "unsubscribe_mailto": "Offered beside the one-click link. The operator tells digest how to read it.",
    "list_id": "Such as weekly.example.com; made from the site’s address where it is empty. Readers’ filters go by it.",
    "dkim_selector": "The word before ._domainkey. in the record your provider has you publish.",
    "utm": "Added to the links of a mail, such as utm_source=weekly&utm_campaign=issue-{number}.",
    "hidden_link": "Who follows it is a machine, and its clicks are not counted as a person’s.",
    "quiet_hours": "Nothing is handed over then, such as 22:00-07:00, in the newsletter’s time zone.",
    "topic_variants": "For the sets of topics most readers chose; the others get the whole issue.",
    "logo_url": "A picture at an https address; the name stands for it where pictures are off.",
    "brief_comparisons": "After those in full; what comes after these are links.",
    "draft_at": "A day and a time in the newsletter’s time zone, such as thursday 09:00. Where it is empty, nothing is"
    " drafted by itself.",
    "send_at": "A day and a time, such as friday 09:00. It is offered where an issue is approved; nothing is sent by it"
    " alone.",
    "remind_hours": "Publishers get a letter where the issue is still a draft then, with what keeps it from going out."
    " 0 is never.",
    "auto_approve": "At its usual time, where nobody has approved it. A warning of a check keeps it too, and so does an"
    " issue of which you say that only a person approves it. Then publishers get a letter with why.",
    "sign_ups_per_hour": "What comes beyond waits; this keeps an attack from costing you your good name.",
}
"""Where the setting's own description is not what somebody at the desk needs."""

CHOICES: Mapping[str, Mapping[str, str]] = {
    "off_topic": {"lead": "They get the lead alone, and are told why", "none": "They get no mail"},
    "tracking": {
        "off": "Nothing is counted",
        "counts": "How many, but not who",
        "readers": "How many, and who",
    },
    "uncertain": {
        "hold": "Hold them, a person decides: nobody gets two",
        "resend": "Send them again: nobody is left out, some may get two",
    },
    "disposable_addresses": {"allow": "May sign up", "refuse": "Are refused"},
}

YES: Mapping[str, str] = {
    "hidden_link": "Put one into each mail",
    "four_eyes": "An issue is approved by somebody who has not edited it, nor asked for it",
    "auto_approve": "Approve and send it where every check passes",
    "welcome_letter": "A new subscriber gets one",
    "goodbye_letter": "One who leaves gets one, with the way back",
    "check_mail_host": "Refuse a sign-up whose domain takes no mail",
}
"""What ticking a box means."""

GROUPS: Mapping[Section, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "issue": (
        ("What it shows", ("full_comparisons", "brief_comparisons")),
        ("Readers’ topics", ("off_topic", "topic_variants")),
        ("Counting", ("tracking", "utm", "hidden_link")),
        ("Sending", ("quiet_hours", "uncertain", "four_eyes")),
    ),
    "readers": (
        ("Letters", ("welcome_letter", "goodbye_letter", "confirm_days")),
        ("Signing up", ("disposable_addresses", "check_mail_host")),
        ("How often", ("sign_ups_per_address", "sign_ups_per_network", "sign_ups_per_hour")),
    ),
}
"""How the fields of a long page are parted."""
