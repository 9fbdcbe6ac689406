"""Other ways to hand an issue over, for `bench/send.py` to set beside `digest send`: each in a process of its own.

    python bench/baselines.py anymail-mailgun|anymail-resend|jinja-json URL ISSUE RECIPIENTS

`ISSUE` is a file of JSON: subject, html and text with ``{{ token }}`` and ``{{ greeting }}`` in them. Prints a line of
JSON: seconds of the sending itself, CPU seconds of it, and the peak memory of the process in MB. None of them has a
ledger, reads recipients from a store or signs a token: they are given what they need.
"""

from __future__ import annotations

import json
import resource as limits
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jinja2

Issue = dict[str, str]
SENDER = "Weekly AI Tool Verdicts <verdicts@example.com>"
SITE = "https://verdicts.example.com"


def readers(first: int, count: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Give addresses, each with its values."""
    for number in range(first, first + count):
        yield f"reader{number}@example.com", {"token": f"{number:024}", "greeting": f"Hello Reader {number},"}


def one_click(token: str) -> dict[str, str]:
    """Give the headers of RFC 8058."""
    return {"List-Unsubscribe": f"<{SITE}/u/{token}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def anymail(backend: str, **options: str) -> Any:
    """Set Django up with a backend of Anymail; give its connection, held open for all messages."""
    from django.conf import settings  # type: ignore[import-untyped,unused-ignore]
    from django.core.mail import get_connection  # type: ignore[import-untyped,unused-ignore]

    settings.configure(EMAIL_BACKEND=f"anymail.backends.{backend}.EmailBackend", ANYMAIL=options)
    connection = get_connection()
    connection.open()
    return connection


def anymail_mailgun(url: str, issue: Issue, recipients: int) -> Callable[[], None]:
    """A thousand recipients a call with `merge_data`, which Mailgun fills in.

    As https://anymail.dev/en/stable/esps/mailgun/#batch-sending-merge-and-esp-templates shows it.
    """
    from django.core.mail import EmailMultiAlternatives

    connection = anymail(
        "mailgun", MAILGUN_API_KEY="key", MAILGUN_API_URL=f"{url}/v3", MAILGUN_SENDER_DOMAIN="mg.example.com"
    )
    fill = {"token": "%recipient.token%", "greeting": "%recipient.greeting%"}
    html, text = (_filled(issue[part], fill) for part in ("html", "text"))

    def send() -> None:
        for first in range(0, recipients, 1000):
            merge_data = dict(readers(first, min(1000, recipients - first)))
            message = EmailMultiAlternatives(issue["subject"], text, SENDER, list(merge_data), connection=connection)
            message.attach_alternative(html, "text/html")
            message.extra_headers = one_click("%recipient.token%")
            message.merge_data = merge_data
            message.send()

    return send


def anymail_resend(url: str, issue: Issue, recipients: int) -> Callable[[], None]:
    """A hundred recipients a call, with `merge_headers`.

    As https://anymail.dev/en/stable/esps/resend/#batch-sending-merge-and-esp-templates shows it. It cannot fill in
    bodies for Resend, so all copies have the same: it does less than the others.
    """
    from django.core.mail import EmailMultiAlternatives

    connection = anymail("resend", RESEND_API_KEY="key", RESEND_API_URL=url)
    same = {"token": f"{0:024}", "greeting": "Hello,"}
    html, text = (_filled(issue[part], same) for part in ("html", "text"))

    def send() -> None:
        for first in range(0, recipients, 100):
            batch = dict(readers(first, 100))
            message = EmailMultiAlternatives(issue["subject"], text, SENDER, list(batch), connection=connection)
            message.attach_alternative(html, "text/html")
            message.merge_headers = {address: one_click(values["token"]) for address, values in batch.items()}
            message.send()

    return send


def jinja_json(url: str, issue: Issue, recipients: int) -> Callable[[], None]:
    """What is written by hand: Jinja renders each copy, `json.dumps` encodes it, httpx posts a hundred a call."""
    environment = jinja2.Environment(autoescape=True)
    html = environment.from_string(issue["html"])
    text = jinja2.Environment(autoescape=False).from_string(issue["text"])
    client = httpx.Client(base_url=url, timeout=60, headers={"Content-Type": "application/json"})

    def send() -> None:
        for first in range(0, recipients, 100):
            documents = [
                json.dumps(
                    {
                        "from": SENDER,
                        "to": [address],
                        "subject": issue["subject"],
                        "html": html.render(values),
                        "text": text.render(values),
                        "headers": one_click(values["token"]),
                    }
                )
                for address, values in readers(first, 100)
            ]
            response = client.post("/emails/batch", content=f"[{','.join(documents)}]".encode())
            assert len(response.json()["data"]) == 100

    return send


def _filled(template: str, values: dict[str, str]) -> str:
    return jinja2.Environment(autoescape=False).from_string(template).render(values)


WAYS: dict[str, Callable[[str, Issue, int], Callable[[], None]]] = {
    "anymail-mailgun": anymail_mailgun,
    "anymail-resend": anymail_resend,
    "jinja-json": jinja_json,
}


def main() -> None:
    """Send, and print how it went."""
    way, url, issue, recipients = sys.argv[1:]
    send = WAYS[way](url, json.loads(Path(issue).read_text(encoding="utf-8")), int(recipients))
    start, cpu = time.perf_counter(), time.process_time()
    send()
    took, worked = time.perf_counter() - start, time.process_time() - cpu
    peak = limits.getrusage(limits.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "cpu_s": worked, "peak_mb": round(peak, 1)}))


if __name__ == "__main__":
    main()
