"""Moving in from other services, and out to them: files made after their documented formats."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest

from conftest import NOW, memory_store
from digest.audience.addresses import read_address
from digest.audience.exporting import PARTS, Reader, export_for, readers
from digest.audience.importing import ImportReport, import_subscribers, staging
from digest.audience.leaving import leave
from digest.audience.services import OWN, SERVICES, service_of
from digest.audience.subscribers import Reason, State, add, count_audience, find_subscriber, find_subscribers, suppress
from digest.errors import InputError
from digest.store import Database

MAILCHIMP = (
    "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,"
    "GMTOFF,DSTOFF,TIMEZONE,CC,REGION,{}LEID,EUID,NOTES,TAGS\n"
)
SUBSCRIBED = (
    MAILCHIMP.format("LAST_CHANGED,")
    + "ada@example.org,Ada,Lovelace,4,2018-02-12 10:54:27,10.0.0.1,2018-02-13 10:00:00,,,,,,Europe/London,GB,,,"
    + '1,a,,"""VIP"""\n'
    + "bea@example.org,,,2,,,2019-01-01 08:00:00,,,,,,,,,,2,b,,\n"
)
UNSUBSCRIBED = (
    MAILCHIMP.format("UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,")
    + "cid@example.org,Cid,,,2018-02-12 10:54:27,,,,,,,,,,,2018-07-23 12:19:27,May,7,N/A (by an admin),,3,c,,\n"
    + "dee@example.org,,,,2018-02-12 10:54:27,,,,,,,,,,,2018-07-23 12:19:27,May,7,SPAM,,4,d,,\n"
)
CLEANED = (
    MAILCHIMP.format("CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,")
    + "eve@example.org,Eve,,,2018-02-05 19:28:23,,,,,,,,,,,2020-03-23 17:30:05,May,7,5,e,,\n"
)
SUBSTACK = (
    "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
    "ada@example.org,true,2027-07-06T16:20:44.000Z,yearly,false,2018-08-27T15:06:27.713Z,2018-09-01T00:00:00.000Z\n"
    "bea@example.org,false,,other,false,2019-01-01T00:00:00.000Z,\n"
    "cid@example.org,true,2027-07-06T16:20:44.000Z,yearly,true,2018-08-27T15:06:27.713Z,\n"
)
BEEHIIV = (
    "email,First Name,Last Name,status,tier,created_at,stripe_customer_id,Free Tier,Premium Tier,unsubscribed_at\n"
    "ada@example.org, Ada ,Lovelace,active,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
    "bea@example.org,,,inactive,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
    "cid@example.org,,,pending,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
    "dee@example.org,,,active,premium,2023-03-24 10:23:10 UTC,cus_1,No,Yes,2024-03-13 11:33:53 UTC\n"
    "eve@example.org,,,Needs Approval,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
    "fay@example.org,,,invalid,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
    "gus@example.org,,,validating,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
)
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers\n"
    'm1,ada@example.org,Ada Lovelace,"VIP, early",true,true,cus_1,2024-01-15T10:00:00.000Z,,"a, b",\n'
    "m2,bea@example.org,,,false,false,,2024-01-15T10:00:00.000Z,,,\n"
    "m3,cid@example.org,,,true,false,,2024-01-15T10:00:00.000Z,2024-02-15T10:00:00.000Z,,\n"
)
LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    'u1,ada@example.org,Ada Lovelace,"{""city"": ""London""}",enabled,2024-01-02 15:04:05.999999 +0000 UTC,\n'
    "u2,bea@example.org,Bea,{},disabled,2024-01-02 15:04:05 +0000 UTC,\n"
    "u3,cid@example.org,Cid,{},blocklisted,2024-01-02 15:04:05 +0000 UTC,\n"
)
BUTTONDOWN = (
    "email,notes,metadata,tags,type,creation_date,unsubscription_date,undeliverability_date\n"
    "ada@example.org,,{},a,regular,2019-08-24T14:15:22Z,,\n"
    "bea@example.org,,{},,unactivated,2019-08-24T14:15:22Z,,\n"
    "cid@example.org,,{},,unsubscribed,2019-08-24T14:15:22Z,2020-01-01T00:00:00Z,\n"
    "dee@example.org,,{},,undeliverable,2019-08-24T14:15:22Z,,2020-01-01T00:00:00Z\n"
    "eve@example.org,,{},,complained,2019-08-24T14:15:22Z,,\n"
    "fay@example.org,,{},,past_due,2019-08-24T14:15:22Z,,\n"
    "gus@example.org,,{},,spammy,2019-08-24T14:15:22Z,,\n"
    "hal@example.org,,{},,regular,2019-08-24T14:15:22Z,2020-01-01T00:00:00Z,\n"
    "ida@example.org,,{},,removed,2019-08-24T14:15:22Z,,\n"
)
KIT = (
    "first_name,email,status,created_at,tags\n"
    'Ada,ada@example.org,confirmed,2023-01-27T11:43:55Z,"a, b"\n'
    ",bea@example.org,unconfirmed,2023-01-27T11:43:55Z,\n"
    ",cid@example.org,cancelled,2023-01-27T11:43:55Z,\n"
    ",dee@example.org,bounced,2023-01-27T11:43:55Z,\n"
    ",eve@example.org,complained,2023-01-27T11:43:55Z,\n"
)
Standings = dict[str, tuple[State, Reason | None]]
ACTIVE: tuple[State, None] = ("active", None)
PENDING: tuple[State, None] = ("pending", None)
LEFT: tuple[State, Reason] = ("unsubscribed", "unsubscribed")
BOUNCED: tuple[State, Reason] = ("active", "hard bounce")
COMPLAINED: tuple[State, Reason] = ("unsubscribed", "complaint")
FILES: list[tuple[str, str, str, Standings]] = [
    ("mailchimp", "subscribed_members_export_1.csv", SUBSCRIBED, {"ada": ACTIVE, "bea": ACTIVE}),
    ("mailchimp", "unsubscribed_members_export_1.csv", UNSUBSCRIBED, {"cid": LEFT, "dee": COMPLAINED}),
    ("mailchimp", "cleaned_members_export_1.csv", CLEANED, {"eve": BOUNCED}),
    ("mailchimp", "list.csv", UNSUBSCRIBED, {"cid": LEFT, "dee": COMPLAINED}),
    ("mailchimp", "list.csv", CLEANED, {"eve": BOUNCED}),
    ("mailchimp", "nonsubscribed_email_audience_export.csv", SUBSCRIBED, {}),
    ("substack", "email_list.csv", SUBSTACK, {"ada": ACTIVE, "bea": ACTIVE, "cid": LEFT}),
    (
        "beehiiv",
        "subscribers.csv",
        BEEHIIV,
        {"ada": ACTIVE, "bea": LEFT, "cid": PENDING, "dee": LEFT, "fay": BOUNCED, "gus": PENDING},
    ),
    ("ghost", "members.csv", GHOST, {"ada": ACTIVE, "bea": LEFT, "cid": LEFT}),
    ("listmonk", "subscribers.csv", LISTMONK, {"ada": ACTIVE, "cid": COMPLAINED}),
    (
        "buttondown",
        "subscribers.csv",
        BUTTONDOWN,
        {
            "ada": ACTIVE,
            "bea": PENDING,
            "cid": LEFT,
            "dee": BOUNCED,
            "eve": COMPLAINED,
            "fay": ACTIVE,
            "hal": LEFT,
            "ida": LEFT,
        },
    ),
    (
        "kit",
        "subscribers.csv",
        KIT,
        {"ada": ACTIVE, "bea": PENDING, "cid": LEFT, "dee": BOUNCED, "eve": COMPLAINED},
    ),
]


@pytest.fixture
def db() -> Iterator[Database]:
    with closing(memory_store()) as store:
        yield store


def put(db: Database, text: str, file: str = "list.csv", service: str | None = None) -> ImportReport:
    lines = io.StringIO(text, newline="")
    return import_subscribers(db, file, lines, now=NOW, service=SERVICES[service] if service else None)


def standings(db: Database) -> Standings:
    return {one.email.partition("@")[0]: (one.state, one.suppressed) for one in find_subscribers(db)}


def exported(db: Database, service: str, *, everyone: bool = True, part: str = "", state: State | None = None) -> str:
    to = io.StringIO(newline="")
    export_for(db, to, SERVICES[service], everyone=everyone, part=part, state=state)
    return to.getvalue()


# In ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("service", "file", "text", "expected"), FILES, ids=lambda value: str(value)[:30])
def test_an_export_is_known_by_its_header_and_its_statuses_are_mapped(
    db: Database, service: str, file: str, text: str, expected: Standings
) -> None:
    report = put(db, text, file)
    assert (report.service.key, report.rejected) == (service, [])
    assert standings(db) == expected
    assert report.added + report.kept_out.total == text.count("@example.org")
    assert report.suppressed == sum(reason is not None for _, reason in expected.values())
    assert count_audience(db)["active"] == sum(standing == ACTIVE for standing in expected.values())
    # Once more changes nothing.
    before = list(db.conn.iterdump())
    again = put(db, text, file)
    assert (again.added, again.updated) == (0, 0)
    assert list(db.conn.iterdump()) == before


def test_names_dates_and_time_zones_come_along_and_what_does_not_is_named(db: Database) -> None:
    report = put(db, SUBSCRIBED, "subscribed_members_export_1.csv")
    [ada, bea] = find_subscribers(db)
    assert (ada.name, ada.timezone, ada.source) == ("Ada Lovelace", "Europe/London", "import: mailchimp")
    assert [one.created_at for one in (ada, bea)] == ["2018-02-12T10:54:27.000000Z", "2019-01-01T08:00:00.000000Z"]
    assert report.columns["email_address"] == "email"
    assert {"tags", "notes", "member_rating"} <= set(report.unused_columns)
    put(db, BEEHIIV.replace("ada", "zoe"))
    assert [one.name for one in find_subscribers(db, search="zoe")] == ["Zoe Lovelace".replace("Zoe", "Ada")]


def test_who_was_confirmed_elsewhere_has_a_consent_that_says_where_from(db: Database) -> None:
    put(db, KIT, "subscribers.csv")
    rows = db.conn.execute(
        "SELECT s.email, c.kind, c.source, c.given_at FROM consents c JOIN subscribers s ON s.id = c.subscriber"
    ).fetchall()
    # Who bounced there had agreed, too.
    assert rows == [
        (f"{name}@example.org", "imported", "import: kit, subscribers.csv", "2026-11-26T09:00:00.000000Z")
        for name in ("ada", "dee")
    ]
    assert db.conn.execute("SELECT DISTINCT source FROM suppressions").fetchall() == [("import: kit",)]


def test_nobody_gets_a_letter_by_an_import(db: Database) -> None:
    for _, file, text, _ in FILES:
        put(db, text, file)
    assert db.conn.execute("SELECT count(*) FROM letters").fetchone() == (0,)


def test_nobody_who_left_here_is_brought_back_by_any_service(db: Database) -> None:
    add(db, "ada@example.org", now=NOW)
    leave(db, find_subscriber(db, "ada@example.org").id, way="editor", now=NOW)
    for service, file, text, _ in FILES:
        report = put(db, text, file)
        assert standings(db)["ada"] == LEFT, service
        if "ada@" in text and report.added:
            assert any("ada@example.org stays out (unsubscribed)" in line for line in report.kept_out), service


def test_a_reader_who_is_here_and_left_there_leaves_here(db: Database) -> None:
    for name in ("cid", "dee", "eve"):
        add(db, f"{name}@example.org", now=NOW)
    assert put(db, UNSUBSCRIBED).updated == 2
    assert put(db, CLEANED).updated == 1
    assert standings(db) == {"cid": LEFT, "dee": COMPLAINED, "eve": BOUNCED}


def test_a_status_nobody_knows_costs_its_row_and_says_which_are_known(db: Database) -> None:
    report = put(db, BEEHIIV.replace(",inactive,", ",inactiv,"))
    assert [(error.line, error.field) for error in report.rejected] == [(3, "state")]
    assert "'inactiv' is no status of beehiiv that is known here (active, inactive, " in str(report.rejected[0])
    assert "did you mean 'inactive'?" in str(report.rejected[0])
    assert "bea" not in standings(db)


def test_a_service_can_be_named_where_its_header_is_not_enough(db: Database) -> None:
    text = "email,status\nada@example.org,cancelled\n"
    assert "'cancelled' is not one of pending, active, unsubscribed" in str(put(db, text).rejected[0])
    assert put(db, text, service="kit").added == 1
    assert standings(db) == {"ada": LEFT}
    with pytest.raises(InputError, match=r"list.csv:1: .* one of them email_address; did you mean 'email_address'\?"):
        put(db, "email_adress\n", service="mailchimp")


def test_the_files_of_one_zip_are_one_import_whatever_their_order(db: Database) -> None:
    parts = [
        ("cleaned_.csv", CLEANED),
        ("subscribed_.csv", SUBSCRIBED.replace("bea@", "cid@")),
        ("unsubscribed_.csv", UNSUBSCRIBED),
    ]
    with staging(db) as staged:
        for file, text in parts:
            staged.read(file, io.StringIO(text, newline=""), now=NOW)
        told = staged.judge()
        assert standings(db) == {}
        report = staged.write(now=NOW)
    assert standings(db) == {"ada": ACTIVE, "cid": LEFT, "dee": COMPLAINED, "eve": BOUNCED}
    assert report.duplicates == [
        "unsubscribed_.csv:2: cid@example.org stands in subscribed_.csv:3 already;"
        " this line says that the reader left, and counts"
    ]
    assert (told.added, told.duplicates, told.suppressed) == (report.added, report.duplicates, report.suppressed)


def test_a_list_of_ones_own_is_nobodys_export() -> None:
    for header in ("email", "email,name,state", "email,name,state,suppressed,source,created_at", "email,status,name"):
        assert service_of("list.csv", header.split(",")) is OWN
    assert service_of("unsubscribed_members_export.csv", ["email_address"]).key == "mailchimp"


# Out -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def audience(db: Database) -> Database:
    """Readers of every kind."""
    for name, state, reason in (
        ("ada", "active", None),
        ("bea", "pending", None),
        ("cid", "unsubscribed", "unsubscribed"),
        ("dee", "active", "hard bounce"),
        ("eve", "unsubscribed", "complaint"),
        ("=fay", "active", None),
    ):
        add(db, f"{name}@example.org", now=NOW, name=f"{name.title()} Lovelace", timezone="Europe/London")
        db.conn.execute("UPDATE subscribers SET state = ? WHERE email = ?", (state, f"{name}@example.org"))
        if reason:
            suppress(db, read_address(f"{name}@example.org").key, reason, now=NOW)  # type: ignore[arg-type]
    return db


def mailable(reader: Reader) -> bool:
    return reader.mailable


@pytest.mark.parametrize("service", SERVICES)
def test_only_who_would_be_mailed_goes_out_and_comes_back_the_same(audience: Database, service: str) -> None:
    text = exported(audience, service, everyone=False)
    with closing(memory_store()) as other:
        report = put(other, text, "subscribed_members_export.csv" if service == "mailchimp" else "list.csv")
        assert (report.service.key, report.rejected, report.kept_out) == (service, [], [])
        assert standings(other) == {"ada": ACTIVE, "=fay": ACTIVE}
        if service != "substack":
            assert [one.name for one in find_subscribers(other)] == ["Ada Lovelace", "=Fay Lovelace"]
        came = [reader.created_at[:19] for reader in readers(other)]
        assert came == [reader.created_at[:19] for reader in filter(mailable, readers(audience))]
    assert not [line for line in text.splitlines() if line.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("service", [key for key in SERVICES if key != "mailchimp"])
def test_with_everyone_nobody_who_must_not_be_mailed_comes_back_as_active(audience: Database, service: str) -> None:
    with closing(memory_store()) as other:
        report = put(other, exported(audience, service))
        assert (report.service.key, report.rejected) == (service, [])
        active = {name for name, standing in standings(other).items() if standing == ACTIVE}
        assert active == {"ada", "=fay"}
        if service in ("buttondown", "kit"):
            assert standings(other) == standings(audience)


def test_mailchimp_has_a_file_for_each_status(audience: Database) -> None:
    with closing(memory_store()) as other:
        for part in PARTS:
            assert put(other, exported(audience, "mailchimp", part=part), f"{part}_members_export.csv").rejected == []
        expected = standings(audience)
        del expected["bea"]
        assert standings(other) == expected


def test_an_export_can_have_one_state_alone(audience: Database) -> None:
    assert exported(audience, "kit", everyone=False, state="pending").count("@") == 1
    assert exported(audience, "kit", everyone=False, state="unsubscribed").count("@") == 2
