from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from digest.providers import sigv4
from digest.providers.sigv4 import Credentials

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AMAZON = Credentials("AKIDEXAMPLE", SECRET)
WHEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
NOTHING = hashlib.sha256(b"").hexdigest()
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"


def authorization(
    target: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    credentials: Credentials = AMAZON,
    now: datetime = WHEN,
) -> str:
    signed = sigv4.signed(
        credentials,
        region="us-east-1",
        service="service",
        method=method,
        url=f"https://example.amazonaws.com{target}",
        headers=headers or {},
        payload_hash=hashlib.sha256(body).hexdigest(),
        now=now,
    )
    return signed["Authorization"]


# Amazon's own test suite, as it lies in awslabs/aws-c-auth, tests/aws-signing-test-suite/v4, by the names it has there.
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        (
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        ("/?ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        ("/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        (
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
    ],
    ids=[
        "get-vanilla-empty-query-key",
        "get-vanilla-query-order-key-case",
        "get-vanilla-query-order-encoded",
        "get-vanilla-utf8-query",
        "get-utf8",
        "get-space",
        "get-unreserved",
    ],
)
def test_paths_and_queries_are_signed_as_amazons_suite_says(target: str, expected: str) -> None:
    assert authorization(target) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders=host;x-amz-date, Signature={expected}"
    )


def test_a_session_token_is_signed_as_amazons_suite_says() -> None:
    credentials = replace(AMAZON, session_token=TOKEN)
    assert authorization("/", credentials=credentials).endswith(
        "SignedHeaders=host;x-amz-date;x-amz-security-token,"
        " Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    )


def test_spaces_in_headers_are_taken_together_as_amazons_suite_says() -> None:
    headers = {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}
    assert authorization("/", headers=headers).endswith(
        "SignedHeaders=host;my-header1;my-header2;x-amz-date,"
        " Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
    )


def test_a_body_is_signed_as_amazons_suite_says() -> None:
    body = b"Param1=value1"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": "13",
        "x-amz-content-sha256": "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
    }
    assert authorization("/", method="POST", headers=headers, body=body).endswith(
        "SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date,"
        " Signature=d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
    )


def test_a_call_to_ses_is_signed_as_botocore_signs_it() -> None:
    """The vector of our notes: what botocore 1.44.5 made of the same request."""
    body = (
        b'{"FromEmailAddress":"news@example.com","Destination":{"ToAddresses":["a@example.com"]},'
        b'"Content":{"Simple":{"Subject":{"Data":"Hi"},"Body":{"Text":{"Data":"x"}}}}}'
    )
    signed = sigv4.signed(
        AMAZON,
        region="us-east-1",
        service="ses",
        method="POST",
        url="https://email.us-east-1.amazonaws.com/v2/email/outbound-emails",
        headers={"Content-Type": "application/json"},
        payload_hash=hashlib.sha256(body).hexdigest(),
        now=datetime(2026, 1, 15, 12, tzinfo=UTC),
    )
    assert signed["Authorization"].endswith(
        "SignedHeaders=content-type;host;x-amz-date,"
        " Signature=fe7e287eca6acebf9bcccd57c197c80855777c7a229429439e0d55db0dce180c"
    )
    assert signed["X-Amz-Date"] == "20260115T120000Z"
    assert signed["Content-Type"] == "application/json"


def test_a_path_that_is_encoded_is_encoded_once_more() -> None:
    path = "/v2/email/suppression/addresses/ana%40example.net"
    _, canonical = sigv4.canonical_request("GET", path, "", {"Host": "x"}, NOTHING)
    assert canonical.split("\n")[1] == "/v2/email/suppression/addresses/ana%2540example.net"


def test_a_moment_is_signed_in_utc() -> None:
    berlin = WHEN.astimezone(timezone(timedelta(hours=2)))
    assert authorization("/", now=berlin) == authorization("/")


def test_the_secrets_are_not_shown() -> None:
    shown = repr(Credentials("AKIDEXAMPLE", SECRET, TOKEN))
    assert SECRET not in shown
    assert TOKEN not in shown
