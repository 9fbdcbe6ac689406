"""Every setting: its type, its default and its words.

Where they come from, and what is said of a wrong one, is in `digest.sources`.
"""

from __future__ import annotations

import re
from datetime import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from digest.contrast import AA, contrast, is_color, readable_on
from digest.errors import nearest
from digest.provider_options import checked, complete, provider_named
from digest.providers.options import Options
from digest.recurring import read_daily, read_weekly

COLORS = ("page", "card", "ink", "muted", "accent", "ship", "skip", "line")
READ_ON = tuple((text, ground) for text in ("ink", "muted", "accent", "ship", "skip") for ground in ("card", "page"))
"""Which colours are texts, and on which grounds they stand."""


class Settings(BaseSettings):
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
        description="Who gives it as a bearer token may read /metrics; without one, nobody may of a site that is public.",
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

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if parts.scheme not in ("http", "https") or not parts.hostname or "?" in value or "#" in value:
            raise ValueError("write it like https://verdicts.example.com")
        if not value.isascii() or any(character.isspace() for character in value):
            raise ValueError("write the host in ASCII (punycode), without spaces")
        return value.rstrip("/")

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", value):
            raise ValueError("write it like en, de or pt-BR")
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        from zoneinfo import available_timezones

        if value not in available_timezones():
            raise ValueError(f"no time zone is called {value!r}{nearest(value, available_timezones())}")
        return value

    @field_validator("sender_address", "reply_to", "unsubscribe_mailto")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name != "sender_address":
            return value
        try:
            found = validate_email(value, check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None
        if found.ascii_email is None:
            raise ValueError("the part before the @ must be ASCII")
        return found.ascii_email

    @field_validator("security_contact")
    @classmethod
    def _security_contact(cls, value: str) -> str:
        """Take a web address, or a mail address with or without its scheme; give a URI, as RFC 9116 (2.5.3) wants."""
        value = value.strip()
        if not value or value.startswith("https://"):
            return _web_address(value) if value else value
        try:
            found = validate_email(value.removeprefix("mailto:"), check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            raise ValueError(f"write it like security@example.com or https://example.com/security ({error})") from None
        if found.ascii_email is None:
            raise ValueError("the part before the @ must be ASCII")
        return f"mailto:{found.ascii_email}"

    @field_validator("newsletter_name", "newsletter_tagline", "sender_name", "postal_address")
    @classmethod
    def _one_line(cls, value: str, info: ValidationInfo) -> str:
        line = " ".join(value.split())
        if not line and info.field_name == "newsletter_name":
            raise ValueError("it is empty; give the newsletter a name")
        return line

    @field_validator("list_id")
    @classmethod
    def _list_id(cls, value: str) -> str:
        if value and not all(part and part.replace("-", "").isalnum() for part in value.split(".")):
            raise ValueError("write it like weekly.example.com")
        if not value.isascii():
            raise ValueError("write it in ASCII")
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("it has fewer than 32 characters; `openssl rand -hex 32` makes a good one")
        return value

    @field_validator("provider", "failover", "letters_provider")
    @classmethod
    def _provider(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name != "provider":
            return value
        if info.field_name == "failover" and value == info.data.get("provider"):
            raise ValueError(f"{value} is the provider already; name another one")
        return provider_named(value)

    @field_validator("sign_up_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        """Take a list, or in one text ``https://blog.example.com, https://www.example.org``."""
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError("write it like https://blog.example.com, https://www.example.org")
        return tuple(_origin(str(origin)) for origin in given)

    @field_validator("summary_to", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        """Take a list, or in one text ``ann@example.com, bob@example.com``."""
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError("write it like ann@example.com, bob@example.com")
        try:
            return tuple(
                validate_email(str(address), check_deliverability=False, test_environment=True).normalized
                for address in given
            )
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None

    @field_validator("machine_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        """Take a list, or in one text ``203.0.113.0/24, 2001:db8::/32``."""
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError("write it like 203.0.113.0/24, 2001:db8::/32")
        try:
            return tuple(str(ip_network(str(network))) for network in given)
        except ValueError as error:
            raise ValueError(f"{error}; write it like 203.0.113.0/24, 2001:db8::/32") from None

    @field_validator("utm")
    @classmethod
    def _utm(cls, value: str) -> str:
        """Take what can stand in an address as it is, but for the number of the issue."""
        if value and not re.fullmatch(r"[A-Za-z0-9_]+=[A-Za-z0-9_.~%{}-]*(&[A-Za-z0-9_]+=[A-Za-z0-9_.~%{}-]*)*", value):
            raise ValueError("write it like utm_source=weekly&utm_medium=email&utm_campaign=issue-{number}")
        if set(re.findall(r"[{}]", value.replace("{number}", ""))):
            raise ValueError("only {number} stands for something, the number of the issue")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: str) -> str:
        """Take what uvicorn understands, which would take any other word for a name that nobody has."""
        for proxy in value.split(",") if value.strip() not in ("", "*") else ():
            try:
                ip_network(proxy.strip())
            except ValueError as error:
                raise ValueError(
                    f"{proxy.strip()!r} is no network address; write it like 127.0.0.1, 10.0.0.0/8, or * for anybody"
                ) from error
        return value.strip()

    @field_validator("unsubscribe_imap", "bounce_imap")
    @classmethod
    def _imap(cls, value: str, info: ValidationInfo) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if value and (parts.scheme not in ("imap", "imaps") or not parts.hostname or not parts.username):
            raise ValueError("write it like imaps://user@mail.example.com/INBOX")
        if parts.password:
            raise ValueError(f"leave the password out of it; it has a setting of its own, {info.field_name}_password")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _metrics_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().strip()) < 16:
            raise ValueError("it has fewer than 16 characters; `openssl rand -hex 32` makes a good one")
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _otlp_endpoint(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
            raise ValueError("write it like http://localhost:4318")
        return value.removesuffix("/").removesuffix("/v1/traces")

    @field_validator("sentry_dsn")
    @classmethod
    def _sentry_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value().strip() if value is not None else "https://key@host/1")
        if parts.scheme not in ("http", "https") or not parts.username or not parts.path.rpartition("/")[2].isdigit():
            raise ValueError("it is no DSN; Sentry shows it as https://KEY@HOST/NUMBER")
        return value

    @field_validator("providers")
    @classmethod
    def _options(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: checked(provider_named(name), given) for name, given in value.items()}

    @field_validator("quiet_hours")
    @classmethod
    def _quiet_hours(cls, value: str) -> str:
        if not value.strip():
            return ""
        found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)", value.strip(), re.ASCII)
        if found is None:
            raise ValueError("write it like 22:00-07:00")
        begin, end = (f"{int(hour):02}:{minute}" for hour, minute in (found.group(1, 2), found.group(3, 4)))
        if begin == end:
            raise ValueError("that is the whole day, in which nothing would ever be sent")
        return f"{begin}-{end}"

    @field_validator("draft_at", "send_at")
    @classmethod
    def _weekly(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip() and info.field_name == "draft_at":
            return ""
        return str(read_weekly(value))

    @field_validator("backup_at")
    @classmethod
    def _daily(cls, value: str) -> str:
        return f"{read_daily(value).at:%H:%M}"

    @field_validator("auto_approve")
    @classmethod
    def _auto_approve(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("four_eyes"):
            raise ValueError(
                "an issue that two people must agree on is not approved by itself; either four_eyes or auto_approve"
            )
        return value

    @field_validator("backup_to", mode="before")
    @classmethod
    def _backup_to(cls, value: object) -> object:
        """Take an empty text as none: as a path it would be the store's own folder."""
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("logo_url")
    @classmethod
    def _logo(cls, value: str) -> str:
        return _web_address(value) if value else value

    @field_validator("social_links", mode="before")
    @classmethod
    def _social(cls, value: object) -> object:
        """Take a table, or in one text ``Mastodon=https://…, RSS=https://…``."""
        if isinstance(value, str):
            parts = re.split(r",\s*(?=[^,=]*=\s*https?:)", value) if value.strip() else []
            value = {name.strip(): address.strip() for name, _, address in (part.partition("=") for part in parts)}
        if not isinstance(value, dict):
            raise ValueError("write it like Mastodon=https://example.social/@me, RSS=https://example.com/feed")
        if not all(str(name).strip() for name in value):
            raise ValueError("a link has no words; write it like RSS=https://example.com/feed")
        return {" ".join(str(name).split()): _web_address(str(address)) for name, address in value.items()}

    @field_validator("spam_filter")
    @classmethod
    def _spam_filter(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if value in ("auto", "off") or (parts.scheme in ("spamd", "http", "https") and parts.hostname):
            return value
        raise ValueError("write auto, off, or an address such as spamd://127.0.0.1:783 or http://127.0.0.1:11333")

    @field_validator(*(f"color_{name}{dark}" for name in COLORS for dark in ("", "_dark")))
    @classmethod
    def _color(cls, value: str) -> str:
        if not is_color(value):
            raise ValueError("write it like #2b2380")
        return value.lower()

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


def _origin(value: str) -> str:
    parts = urlsplit(value)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not (parts.scheme == "https" or (parts.scheme == "http" and local)) or not parts.hostname or not value.isascii():
        raise ValueError(f"{value!r} is no origin; write it like https://blog.example.com")
    if value.rstrip("/") != f"{parts.scheme}://{parts.netloc}" or parts.username is not None:
        raise ValueError(f"{value!r} is more than an origin; write it without a path, like https://blog.example.com")
    return value.rstrip("/").lower()


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    # Of the host nothing but a host: it stands in the Content-Security-Policy, where ";" begins another rule.
    has_host = re.fullmatch(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", parts.netloc, re.ASCII)
    if parts.scheme != "https" or not has_host or not value.isascii() or any(map(str.isspace, value)):
        raise ValueError(f"{value!r} is no https:// address in ASCII")
    return value


SETTINGS = {name: field for name, field in Settings.model_fields.items() if name != "providers"}
"""What may be set by its own name."""
