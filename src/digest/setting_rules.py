"""What holds for the value of each setting by itself, and how a person may write it."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from digest.contrast import is_color
from digest.errors import nearest
from digest.provider_options import checked, provider_named
from digest.recurring import read_daily, read_weekly

COLORS = ("page", "card", "ink", "muted", "accent", "ship", "skip", "line")


class Rules(BaseSettings):
    """The rules of `digest.settings.Settings`, whose fields these are named after."""

    @field_validator("base_url", check_fields=False)
    @classmethod
    def _base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if parts.scheme not in ("http", "https") or not parts.hostname or "?" in value or "#" in value:
            raise ValueError("write it like https://verdicts.example.com")
        if not value.isascii() or any(character.isspace() for character in value):
            raise ValueError("write the host in ASCII (punycode), without spaces")
        return value.rstrip("/")

    @field_validator("language", check_fields=False)
    @classmethod
    def _language(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", value):
            raise ValueError("write it like en, de or pt-BR")
        return value

    @field_validator("timezone", check_fields=False)
    @classmethod
    def _timezone(cls, value: str) -> str:
        from zoneinfo import available_timezones

        if value not in available_timezones():
            raise ValueError(f"no time zone is called {value!r}{nearest(value, available_timezones())}")
        return value

    @field_validator("sender_address", "reply_to", "unsubscribe_mailto", check_fields=False)
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name != "sender_address":
            return value
        try:
            return _mail_address(value)
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None

    @field_validator("security_contact", check_fields=False)
    @classmethod
    def _security_contact(cls, value: str) -> str:
        """Take a web address, or a mail address with or without its scheme; give a URI, as RFC 9116 (2.5.3) wants."""
        value = value.strip()
        if not value or value.startswith("https://"):
            return _web_address(value) if value else value
        try:
            return f"mailto:{_mail_address(value.removeprefix('mailto:'))}"
        except EmailNotValidError as error:
            raise ValueError(f"write it like security@example.com or https://example.com/security ({error})") from None

    @field_validator("newsletter_name", "newsletter_tagline", "sender_name", "postal_address", check_fields=False)
    @classmethod
    def _one_line(cls, value: str, info: ValidationInfo) -> str:
        line = " ".join(value.split())
        if not line and info.field_name == "newsletter_name":
            raise ValueError("it is empty; give the newsletter a name")
        return line

    @field_validator("list_id", check_fields=False)
    @classmethod
    def _list_id(cls, value: str) -> str:
        if value and not all(part and part.replace("-", "").isalnum() for part in value.split(".")):
            raise ValueError("write it like weekly.example.com")
        if not value.isascii():
            raise ValueError("write it in ASCII")
        return value

    @field_validator("secret_key", check_fields=False)
    @classmethod
    def _secret_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("it has fewer than 32 characters; `openssl rand -hex 32` makes a good one")
        return value

    @field_validator("provider", "failover", "letters_provider", check_fields=False)
    @classmethod
    def _provider(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name != "provider":
            return value
        if info.field_name == "failover" and value == info.data.get("provider"):
            raise ValueError(f"{value} is the provider already; name another one")
        return provider_named(value)

    @field_validator("sign_up_origins", mode="before", check_fields=False)
    @classmethod
    def _origins(cls, value: object) -> object:
        """Take a list, or in one text ``https://blog.example.com, https://www.example.org``."""
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError("write it like https://blog.example.com, https://www.example.org")
        return tuple(_origin(str(origin)) for origin in given)

    @field_validator("summary_to", mode="before", check_fields=False)
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

    @field_validator("machine_networks", mode="before", check_fields=False)
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

    @field_validator("utm", check_fields=False)
    @classmethod
    def _utm(cls, value: str) -> str:
        """Take what can stand in an address as it is, but for the number of the issue."""
        if value and not re.fullmatch(r"[A-Za-z0-9_]+=[A-Za-z0-9_.~%{}-]*(&[A-Za-z0-9_]+=[A-Za-z0-9_.~%{}-]*)*", value):
            raise ValueError("write it like utm_source=weekly&utm_medium=email&utm_campaign=issue-{number}")
        if set(re.findall(r"[{}]", value.replace("{number}", ""))):
            raise ValueError("only {number} stands for something, the number of the issue")
        return value

    @field_validator("trusted_proxies", check_fields=False)
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

    @field_validator("unsubscribe_imap", "bounce_imap", check_fields=False)
    @classmethod
    def _imap(cls, value: str, info: ValidationInfo) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if value and (parts.scheme not in ("imap", "imaps") or not parts.hostname or not parts.username):
            raise ValueError("write it like imaps://user@mail.example.com/INBOX")
        if parts.password:
            raise ValueError(f"leave the password out of it; it has a setting of its own, {info.field_name}_password")
        return value

    @field_validator("metrics_token", check_fields=False)
    @classmethod
    def _metrics_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().strip()) < 16:
            raise ValueError("it has fewer than 16 characters; `openssl rand -hex 32` makes a good one")
        return value

    @field_validator("otlp_endpoint", check_fields=False)
    @classmethod
    def _otlp_endpoint(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
            raise ValueError("write it like http://localhost:4318")
        return value.removesuffix("/").removesuffix("/v1/traces")

    @field_validator("sentry_dsn", check_fields=False)
    @classmethod
    def _sentry_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value().strip() if value is not None else "https://key@host/1")
        if parts.scheme not in ("http", "https") or not parts.username or not parts.path.rpartition("/")[2].isdigit():
            raise ValueError("it is no DSN; Sentry shows it as https://KEY@HOST/NUMBER")
        return value

    @field_validator("providers", check_fields=False)
    @classmethod
    def _options(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: checked(provider_named(name), given) for name, given in value.items()}

    @field_validator("quiet_hours", check_fields=False)
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

    @field_validator("draft_at", "send_at", check_fields=False)
    @classmethod
    def _weekly(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip() and info.field_name == "draft_at":
            return ""
        return str(read_weekly(value))

    @field_validator("backup_at", check_fields=False)
    @classmethod
    def _daily(cls, value: str) -> str:
        return f"{read_daily(value).at:%H:%M}"

    @field_validator("auto_approve", check_fields=False)
    @classmethod
    def _auto_approve(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("four_eyes"):
            raise ValueError(
                "an issue that two people must agree on is not approved by itself; either four_eyes or auto_approve"
            )
        return value

    @field_validator("backup_to", mode="before", check_fields=False)
    @classmethod
    def _backup_to(cls, value: object) -> object:
        """Take an empty text as none: as a path it would be the store's own folder."""
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("logo_url", check_fields=False)
    @classmethod
    def _logo(cls, value: str) -> str:
        return _web_address(value) if value else value

    @field_validator("social_links", mode="before", check_fields=False)
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

    @field_validator("spam_filter", check_fields=False)
    @classmethod
    def _spam_filter(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # refuses one that is no port
        if value in ("auto", "off") or (parts.scheme in ("spamd", "http", "https") and parts.hostname):
            return value
        raise ValueError("write auto, off, or an address such as spamd://127.0.0.1:783 or http://127.0.0.1:11333")

    @field_validator(*(f"color_{name}{dark}" for name in COLORS for dark in ("", "_dark")), check_fields=False)
    @classmethod
    def _color(cls, value: str) -> str:
        if not is_color(value):
            raise ValueError("write it like #2b2380")
        return value.lower()


def _mail_address(value: str) -> str:
    found = validate_email(value, check_deliverability=False, test_environment=True)
    if found.ascii_email is None:
        raise ValueError("the part before the @ must be ASCII")
    return found.ascii_email


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
