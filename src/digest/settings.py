"""Every setting: its type, its default and its words.

Where they come from, and what is said of a wrong one, is in `digest.sources`.
"""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from digest.contrast import AA, contrast, readable_on
from digest.provider_options import complete
from digest.providers.options import Options
from digest.setting_rules import Rules

READ_ON = tuple((text, ground) for text in ("ink", "muted", "accent", "ship", "skip") for ground in ("card", "page"))
"""Which colours are texts, and on which grounds they stand."""


class Settings(Rules):
    """What an operator may choose. The descriptions are what `digest settings` prints."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    db: Path = Field(Path("digest.db"), description="The SQLite file that holds everything.")
    base_url: str = Field(
        "http://localhost:8000",
        description="The public address of the site; every link in a mail begins with it.",
    )
    newsletter_name: str = Field(
        "Weekly AI Tool Verdicts",
        min_length=1,
        max_length=100,
        description="The name in the masthead, the From line and the footer.",
    )
    newsletter_tagline: str = Field(
        "New AI tools, side by side, with a panel that says ship or skip.",
        max_length=200,
        description="The line under the name.",
    )
    language: str = Field(
        "en",
        description="What language the mail says it is in, as a BCP 47 tag; our own words in it are English.",
    )
    timezone: str = Field(
        "UTC", description="The newsletter's time zone, such as Europe/Berlin; times without an offset are in it."
    )
    sender_address: str = Field(
        "verdicts@example.com", description="The address in the From line; its domain must be yours."
    )
    sender_name: str = Field(
        "", max_length=100, description="The name in the From line; the newsletter's name where it is empty."
    )
    reply_to: str = Field("", description="Where answers go; to the sender's address where it is empty.")
    unsubscribe_mailto: str = Field(
        "", description="A mailbox that takes unsubscriptions by mail, offered beside the one-click link."
    )
    list_id: str = Field(
        "", description="The List-Id (RFC 2919), such as weekly.example.com; made from the site where it is empty."
    )
    postal_address: str = Field(
        "", max_length=300, description="The postal address in the footer, which bulk mail must carry by law."
    )
    color_page: str = Field("#f4f1ea", description="The ground of the mail, around the cards.")
    color_card: str = Field("#ffffff", description="The ground of a card.")
    color_ink: str = Field("#1d1b26", description="Text.")
    color_muted: str = Field("#5c5966", description="Text of less weight, such as labels.")
    color_accent: str = Field("#2b2380", description="Links, buttons and bars.")
    color_ship: str = Field("#0b6b43", description="What says ship.")
    color_skip: str = Field("#a3341f", description="What says skip.")
    color_line: str = Field("#d9d2c3", description="Lines and the empty part of bars.")
    color_page_dark: str = Field("#15141a", description="The same in dark mode: the ground.")
    color_card_dark: str = Field("#211f29", description="The ground of a card in dark mode.")
    color_ink_dark: str = Field("#f1eef7", description="Text in dark mode.")
    color_muted_dark: str = Field("#b7b2c2", description="Text of less weight in dark mode.")
    color_accent_dark: str = Field("#b9afff", description="Links, buttons and bars in dark mode.")
    color_ship_dark: str = Field("#67d8a2", description="What says ship in dark mode.")
    color_skip_dark: str = Field("#ffa08a", description="What says skip in dark mode.")
    color_line_dark: str = Field("#4a4656", description="Lines and the empty part of bars in dark mode.")
    logo_url: str = Field(
        "",
        description="A picture for the masthead (https); the newsletter's name stands for it where pictures are off.",
    )
    logo_width: int = Field(160, ge=16, le=600, description="How wide the picture is shown, in pixels.")
    social_links: dict[str, str] = Field(
        {}, description='Links in the footer, by their words, such as { Mastodon = "https://…" }.'
    )
    templates: Path | None = Field(
        None,
        description="A folder of your own mail templates, in place of ours of the same names; relative to the store.",
    )
    dkim_selector: str = Field(
        "", description="The DKIM selector of your provider, which `digest check` looks up in the DNS."
    )
    spam_filter: str = Field(
        "auto",
        description="Who scores an issue: spamd://HOST:PORT, rspamd's http:// address, auto (who is here) or off.",
    )
    full_comparisons: int = Field(
        1, ge=1, le=20, description="How many comparisons an issue shows in full, the lead first."
    )
    brief_comparisons: int = Field(8, ge=0, le=100, description="How many more it shows in brief; the rest are links.")
    four_eyes: bool = Field(
        False, description="Whether an issue must be approved in the desk by somebody who has not edited it."
    )
    provider: str = Field("outbox", description="Who takes our mail; `digest providers` lists them.")
    failover: str = Field(
        "", description="A second provider, which takes over what the first has proven not to have accepted."
    )
    uncertain: Literal["hold", "resend"] = Field(
        "hold",
        description="What becomes of copies of which nobody can find out whether they were accepted: held for a"
        " person, or sent again.",
    )
    quiet_hours: str = Field(
        "", description="Hours in which nothing is handed over, such as 22:00-07:00, in the newsletter's zone."
    )
    sending_grace_hours: int = Field(
        3,
        ge=0,
        le=24 * 365,
        description="How many hours after its time an issue is still sent by itself, where nothing ran; 0 is always.",
    )
    draft_at: str = Field(
        "thursday 09:00",
        description="When the next issue is drafted by itself, in the newsletter's zone, such as thursday 09:00;"
        " never where it is empty.",
    )
    send_at: str = Field(
        "friday 09:00",
        description="When an issue usually goes out, in the newsletter's zone; editors are reminded before it.",
    )
    remind_hours: int = Field(
        3, ge=0, le=167, description="So many hours before it, editors are reminded of a draft; 0 is never."
    )
    auto_approve: bool = Field(
        False,
        description="Whether an issue that nobody approved is approved and sent by itself at its usual time, where"
        " every check passes.",
    )
    letters_provider: str = Field(
        "", description="Who takes letters (to confirm, to welcome); the same as issues where it is empty."
    )
    welcome_letter: bool = Field(True, description="Whether a new subscriber gets a letter of welcome.")
    goodbye_letter: bool = Field(False, description="Whether one who leaves gets a last letter, with the way back.")
    confirm_days: int = Field(
        7, ge=1, le=60, description="For how many days a confirmation letter works; sign-ups end with it."
    )
    api_calls_a_minute: int = Field(600, ge=1, le=1_000_000, description="Calls that one token of the API may make.")
    consent_details: Literal["hashed", "kept", "none"] = Field(
        "hashed", description="What is kept of the network address and browser of one who signs up."
    )
    sign_up_origins: tuple[str, ...] = Field(
        (), description="Other sites whose pages may have our sign-up form, such as https://blog.example.com."
    )
    sign_ups_per_address: int = Field(
        3, ge=1, le=100, description="Confirmation letters that one address may be sent in a day."
    )
    sign_ups_per_network: int = Field(
        20, ge=1, le=10_000, description="Sign-ups that one network address may make in an hour."
    )
    sign_ups_per_hour: int = Field(
        1000, ge=1, description="Confirmation letters that are sent in an hour, all together; the rest wait."
    )
    proof_of_work: bool = Field(
        True, description="Whether browsers with JavaScript show by a little work that they are no cheap script."
    )
    disposable_addresses: Literal["allow", "refuse"] = Field(
        "allow", description="Whether addresses of throw-away mailboxes may sign up."
    )
    check_mail_host: bool = Field(
        False, description="Whether a sign-up is refused where the DNS says that its domain takes no mail."
    )
    off_topic: Literal["lead", "none"] = Field(
        "lead", description="What readers get in a week without anything on their topics: the lead alone, or no mail."
    )
    topic_variants: int = Field(
        64, ge=1, le=1000, description="In how many ways at most an issue is composed for readers' topics."
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Whose word on a reader's network address is taken: proxies before us, or *."
    )
    unsubscribe_imap: str = Field(
        "", description="Where unsubscriptions by mail are read, such as imaps://user@mail.example.com/INBOX."
    )
    unsubscribe_imap_password: SecretStr | None = Field(None, description="The password of that mailbox.")
    tracking: Literal["off", "counts", "readers"] = Field(
        "counts",
        description="What of opens and clicks is kept: nothing, how many but not who, or also whose they are.",
    )
    utm: str = Field(
        "",
        max_length=300,
        description="UTM tags added to the links of a mail, such as utm_source=weekly&utm_campaign=issue-{number}.",
    )
    hidden_link: bool = Field(
        False, description="Whether a mail has a link that no person sees: who follows it is a machine."
    )
    machine_networks: tuple[str, ...] = Field(
        (), description="Networks whose opens and clicks are machines', such as 203.0.113.0/24: those of scanners."
    )
    soft_bounces: int = Field(
        3, ge=0, le=100, description="After so many issues that bounced softly an address is suppressed; 0 is never."
    )
    soft_bounce_weeks: int = Field(
        8, ge=1, le=104, description="Within how many weeks soft bounces are counted together."
    )
    events_days: int = Field(
        400, ge=0, description="For how many days events of readers are kept; figures stay for ever. 0 is for ever."
    )
    bounce_imap: str = Field(
        "", description="Where bounces come as mails, such as imaps://bounces@mail.example.com/INBOX."
    )
    bounce_imap_password: SecretStr | None = Field(None, description="The password of that mailbox.")
    summary_to: tuple[str, ...] = Field(
        (), description="Who is mailed a summary every week, such as ann@example.com, bob@example.com."
    )
    backup_to: Path | None = Field(
        Path("backups"),
        description="The folder that the daily backup goes into, relative to the store; none is made where it is"
        " empty.",
    )
    backup_at: str = Field("03:30", description="When the store is backed up every day, in the newsletter's zone.")
    backups_daily: int = Field(7, ge=1, le=400, description="Of so many days the newest backup is kept.")
    backups_weekly: int = Field(4, ge=0, le=400, description="Of so many weeks the newest backup is kept.")
    backups_monthly: int = Field(6, ge=0, le=400, description="Of so many months the newest backup is kept.")
    log_format: Literal["text", "json"] = Field(
        "text", description="How `digest serve` writes its log: for people, or a JSON object a line."
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Who gives it as a bearer token may read /metrics; of a public site nobody else may.",
    )
    otlp_endpoint: str = Field(
        "", description="Where traces go, by OTLP over HTTP, such as http://localhost:4318; needs `digest[traces]`."
    )
    sentry_dsn: SecretStr | None = Field(
        None, description="Where errors are told, by Sentry's DSN; needs `digest[sentry]`."
    )
    security_contact: str = Field(
        "", description="Whom to tell of a hole, for /.well-known/security.txt: a mail address, or an https address."
    )
    outbox: Path = Field(
        Path("outbox"),
        description="The Maildir that the outbox provider writes into; a relative one is beside the store.",
    )
    batch_size: int = Field(
        1000, ge=1, le=10_000, description="Deliveries handed over in one call; the provider's own limit caps it."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="The key that signs links, 32 characters or more; the store makes and keeps one where it is unset.",
    )
    providers: dict[str, dict[str, Any]] = Field(
        {}, description="The options of providers, by their names; no setting itself, but a table for each provider."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values only as `load` hands them over, so that it can say where each came from."""
        return (init_settings,)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        """Refuse colours in which a text of the mail could not be read."""
        for dark in ("", "_dark"):
            for text, ground in READ_ON:
                one, other = (getattr(self, f"color_{name}{dark}") for name in (text, ground))
                if (found := contrast(one, other)) < AA:
                    raise ValueError(
                        f"color_{text}{dark} {one} on color_{ground}{dark} {other} has a contrast of {found:.1f};"
                        f" text needs {AA} (https://www.w3.org/TR/WCAG22/#contrast-minimum)"
                    )
            for ground in ("accent", "ship"):
                color = getattr(self, f"color_{ground}{dark}")
                if contrast(readable_on(color), color) < AA:
                    raise ValueError(f"color_{ground}{dark} {color}: neither white nor black text can be read on it")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The newsletter's time zone."""
        return ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _templates_exist(self) -> Self:
        if self.own_templates and not self.own_templates.is_dir():
            raise ValueError(f"templates: there is no folder {self.own_templates}")
        return self

    @property
    def own_templates(self) -> Path | None:
        """The folder of the operator's own mail templates."""
        return None if self.templates is None else self.db.parent / self.templates

    @property
    def backup_folder(self) -> Path | None:
        """The folder that backups go into; None where none are made."""
        return None if self.backup_to is None else self.db.parent / self.backup_to

    @property
    def mails_people(self) -> bool:
        """Whether a provider mails real people; the local outbox mails nobody."""
        return bool({self.provider, self.failover, self.letters_provider} - {"outbox", ""})

    @property
    def quiet(self) -> tuple[time, time] | None:
        """When nothing is handed over: from the first time to before the second, which may be on the next day."""
        if not self.quiet_hours:
            return None
        begin, end = map(time.fromisoformat, self.quiet_hours.split("-"))
        return begin, end

    def options_for(self, provider: str) -> Options:
        """Give the whole options of a provider that is to be connected to.

        Raises:
            SettingsError: some are missing, or do not go together.
        """
        given = self.providers.get(provider, {})
        if provider == "outbox":
            given = {**given, "folder": self.db.parent / self.outbox}
        return complete(provider, given)

    @property
    def host(self) -> str:
        """The host of the public address, without a port."""
        return urlsplit(self.base_url).hostname or "localhost"


SETTINGS = {name: field for name, field in Settings.model_fields.items() if name != "providers"}
"""What may be set by its own name."""
