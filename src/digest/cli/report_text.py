"""Reports in 80 columns of text: tables, and small bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from digest import times
from digest.cli.app import App
from digest.numbers import percent
from digest.tracking.findings import Trouble
from digest.tracking.rates import Rate, added
from digest.tracking.reports import HourFigures, IssueReport
from digest.tracking.trends import Growth, Trends

ONE_BY_ONE = 24
"""Hours that are printed one by one; the others are one line."""

LINKS = 15
"""Links, and comparisons, that are printed, the most clicked; `--csv` has all."""

SUBJECTS = 10
BAR = 24
"""Letters of the longest bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(value: int, most: int, *, ascii_only: bool = False) -> str:
    """Draw a bar of up to `BAR` letters, in eighths of one; what is not nothing shows."""
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, round(value / most * BAR * 8))
    if ascii_only:
        return "#" * max(1, round(eighths / 8))
    return _EIGHTHS[8] * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def print_issue(app: App, report: IssueReport) -> None:
    """Print what became of an issue."""
    when = times.for_people(times.from_text(report.sent_at or report.sending_at or ""), app.settings.zone)
    state = "sent" if report.state == "sent" else f"{report.state}, begun"
    app.say(f"Issue {report.number}: {report.subject}")
    app.say(f"{state} {when}")
    _tell(app, report.troubles)
    app.say()
    app.out.print(_summary(report))
    if report.hours:
        _heading(app, "By hour")
        app.out.print(_hours(app, report))
    if report.links and report.tracking != "off":
        _heading(app, "Links")
        app.out.print(_links(report))
        if len(report.links) > LINKS:
            app.say(f"and {len(report.links) - LINKS} more; --csv FILE --table links has all")
    if report.comparisons and report.tracking != "off":
        _heading(app, "Comparisons")
        app.out.print(_comparisons(report))
        if len(report.comparisons) > LINKS:
            app.say(f"and {len(report.comparisons) - LINKS} more; --csv FILE --table comparisons has all")
    if report.votes:
        _heading(app, "Votes from this mail, and all on the site")
        app.out.print(_tools(report))
    if report.hosts:
        _heading(app, "Mailbox providers")
        app.out.print(_hosts(report))
    _notes(app, report.notes)


def print_trends(app: App, trends: Trends) -> None:
    """Print what became of all issues, and of the audience."""
    health = trends.health
    app.say(f"{health.active:,} subscribed, {health.mailed:,} would be mailed now")
    app.say(
        f"{health.pausing:,} pausing, {health.suppressed_active:,} suppressed, {health.pending:,} yet to confirm,"
        f" {health.unsubscribed:,} left"
    )
    _tell(app, trends.troubles)
    if trends.issues:
        _heading(app, "Issues (opened and clicked: people)")
        app.out.print(_issues(app, trends))
    else:
        app.say("No issue was sent yet.")
    if trends.growth:
        _heading(app, {"day": "Days", "week": "Weeks from Monday on", "month": "Months"}[trends.unit])
        app.out.print(_growth(app, trends.growth))
    if len(trends.subjects) > 1:
        _heading(app, "Subjects by the share of readers who clicked")
        app.out.print(_subjects(trends))
    _notes(app, trends.notes)


def _heading(app: App, words: str) -> None:
    app.out.print()
    app.out.print(Text(words, style="bold"))


def _tell(app: App, troubles: Iterable[Trouble]) -> None:
    for trouble in troubles:
        app.out.print(Text(trouble.words, style="bold red" if trouble.level == "bad" else "yellow"), soft_wrap=False)


def _notes(app: App, notes: Iterable[str]) -> None:
    app.out.print()
    for note in notes:
        app.out.print(Text(note, style="dim"), soft_wrap=False)


def _table(*columns: str, left: Sequence[str] = ()) -> Table:
    """Make a table whose last column, where it is text, is cut off at the end of the line; no number ever is."""
    cut = columns[-1] in left and columns[-1] != ""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=cut)
    for place, column in enumerate(columns, start=1):
        ratio = 1 if cut and place == len(columns) else None
        justify: JustifyMethod = "left" if column in left else "right"
        table.add_column(column, justify=justify, no_wrap=True, overflow="ellipsis", ratio=ratio)
    return table


def _summary(report: IssueReport) -> Table:
    rates = report.rates
    table = _table("", "copies", "share", "of what was", left=("", "of what was"))
    table.add_row("audience", f"{report.audience:,}", "", "")
    for name in ("queued", "claimed", "skipped", "rejected", "uncertain", "accepted"):
        if count := getattr(report, name):
            of_all = percent(count / report.audience) if report.audience else ""
            table.add_row(name, f"{count:,}", of_all, "the audience")
    _row(table, "delivered", rates.delivered)
    _row(table, "bounced", rates.bounced, f", {report.bounced_hard:,} for good" if report.bounced_hard else "")
    if report.deferred:
        table.add_row("put off at first", f"{report.deferred:,}", "", "")
    _row(table, "complained", rates.complained)
    _row(table, "unsubscribed", rates.unsubscribed)
    if report.votes:
        table.add_row("votes", f"{report.votes:,}", "", "")
    if report.tracking != "off":
        for name, people, shares in (
            ("opened", report.opened, (rates.opened, rates.opened_all)),
            ("clicked", report.clicked, (rates.clicked, rates.clicked_all)),
        ):
            hidden = people.hidden + people.hidden_people if name == "opened" else 0
            if shares[0].count == people.people:
                _row(table, f"{name} by people", shares[0])
            else:
                # Those whose open is hidden are people all the same, and the share is not theirs.
                table.add_row(f"{name} by people", f"{people.people:,}", "", "")
                _row(table, "  people, seen", shares[0])
                table.add_row("  people, hidden", f"{people.hidden_people:,}", "", "known by a click")
            table.add_row("  unsure", f"{people.unsure:,}", "", "")
            table.add_row("  machines only", f"{people.machines:,}", "", "")
            _row(table, "  all of these", shares[1])
            if hidden:
                table.add_row("  of these hidden", f"{hidden:,}", "", "Apple's proxy asked for them")
        _row(table, "clicked of opened", rates.click_to_open)
        _row(table, "  all of these", rates.click_to_open_all)
    return table


def _row(table: Table, name: str, rate: Rate | None, more: str = "") -> None:
    if rate is None:
        table.add_row(name, "unknown", "", "nobody told")
        return
    table.add_row(name, f"{rate.count:,}", percent(rate.value), f"{rate.of_what}{more}")


def _hours(app: App, report: IssueReport) -> Table:
    tracked = report.tracking != "off"
    counts = ["delivered"] if report.delivered is not None else []
    counts += ["opened", "clicked"] if tracked else [] if counts else ["unsubscribed"]
    table = _table("", *counts, "people" if tracked else "copies", left=("", "people", "copies"))
    drawn = "opened" if tracked else counts[0]
    shown, rest = report.hours[:ONE_BY_ONE], [*report.hours[ONE_BY_ONE:], *([report.later] if report.later else [])]
    most = max(getattr(hour, drawn) for hour in shown)

    def add(label: str, hours: Sequence[HourFigures], drawing: str) -> None:
        sums = (sum(getattr(hour, name) for hour in hours) for name in counts)
        table.add_row(label, *(f"{count:,}" if count else "" for count in sums), drawing)

    for hour in shown:
        add(hour.label, [hour], bar(getattr(hour, drawn), most, ascii_only=app.out.options.ascii_only))
    if rest:
        add("later", rest, "")
    return table


def _links(report: IssueReport) -> Table:
    table = _table("by people", "machines too", "all clicks", "address", left=("address",))
    for link in report.links[:LINKS]:
        table.add_row(f"{link.clicked_people:,}", f"{link.clicked:,}", f"{link.clicks:,}", link.address)
    return table


def _comparisons(report: IssueReport) -> Table:
    table = _table("by people", "all clicks", "comparison", left=("comparison",))
    for one in sorted(report.comparisons, key=lambda one: -one.clicks_people)[:LINKS]:
        table.add_row(f"{one.clicks_people:,}", f"{one.clicks:,}", one.title)
    return table


def _tools(report: IssueReport) -> Table:
    table = _table("votes", "all ship", "all skip", "tool", left=("tool",))
    for tool in report.tools:
        if tool.votes:
            table.add_row(f"{tool.votes:,}", f"{tool.ship:,}", f"{tool.skip:,}", tool.name)
    return table


def _hosts(report: IssueReport) -> Table:
    whose = report.tracking == "readers"
    columns = ["audience", "accepted", "delivered", "bounced", "spam", *(["opened", "clicked"] if whose else [])]
    table = _table("", *columns, left=("",))
    for host in report.hosts:
        read = [f"{host.opened or 0:,}", f"{host.clicked or 0:,}"] if whose else []
        table.add_row(
            host.name,
            f"{host.audience:,}",
            f"{host.accepted:,}",
            _known(host.delivered),
            _known(added(host.bounced_hard, host.bounced_soft)),
            _known(host.complained),
            *read,
        )
    return table


def _known(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _issues(app: App, trends: Trends) -> Table:
    table = _table(
        "issue", "sent", "accepted", "deliv.", "bounced", "spam", "opened", "clicked", "subject", left=("subject",)
    )
    for line in trends.issues:
        day = times.from_text(line.sent_at or line.sending_at).astimezone(app.settings.zone)
        rates = line.rates
        read = ("", "") if line.tracking == "off" else (percent(rates.opened.value), percent(rates.clicked.value))
        table.add_row(
            str(line.number),
            f"{day:%d %b %y}" if line.state == "sent" else line.state,
            f"{line.accepted:,}",
            *("?" if one is None else percent(one.value) for one in (rates.delivered, rates.bounced, rates.complained)),
            *read,
            line.subject,
        )
    if len(trends.issues) > 1:
        mean = trends.averages
        shares = (mean.delivered, mean.bounced, mean.complained, mean.opened, mean.clicked)
        table.add_row("", "average", "", *map(percent, shares), "", style="bold")
    return table


def _growth(app: App, growth: Sequence[Growth]) -> Table:
    table = _table("", "joined", "left", "net", "bounced", "spam", "subscribed", " ", left=("", " "))
    most = max(one.active for one in growth)
    for one in growth:
        counts = (f"{one.joined:,}", f"{one.left:,}", f"{one.net:+,}", f"{one.bounced:,}", f"{one.complained:,}")
        drawing = bar(one.active, most, ascii_only=app.out.options.ascii_only)
        table.add_row(one.label, *counts, f"{one.active:,}", drawing)
    return table


def _subjects(trends: Trends) -> Table:
    table = _table("issue", "clicked", "between", "", "subject", left=("", "subject"))
    shown = trends.subjects[:SUBJECTS]
    for one in shown:
        between = f"{percent(one.clicked.low)}–{percent(one.clicked.high)}"
        verdict = "" if one.verdict == "alike" else one.verdict
        table.add_row(str(one.number), percent(one.clicked.value), between, verdict, one.subject)
    return table
