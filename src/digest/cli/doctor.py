"""`digest doctor`: whether the store is sound, the ledger keeps its rules, and every figure is true."""

from __future__ import annotations

import click

from digest import times
from digest.cli.app import FAILED, App, Command, with_app
from digest.issue.issues import check_issues
from digest.issue.variant_records import check_variants
from digest.sending.ledger_check import check_ledger
from digest.sending.subject_test import check_subject_tests
from digest.store import check_store


@click.command(cls=Command)
@with_app
def doctor(app: App) -> int:
    """Count all figures again and compare them; look at the store and at the ledger too. It mends nothing."""
    # Here, because no other command should wait until it is loaded.
    from digest.tracking import recounting

    with app.store() as store:
        problems = {"store": check_store(store)}
        # What SQLite cannot read, nobody can count.
        if not problems["store"]:
            problems["ledger"] = [
                problem
                for check in (check_ledger, check_issues, check_variants, check_subject_tests)
                for problem in check(store)
            ]
            with app.progress("Counting rows", None) as advance:
                counted = recounting.recount(store, now=times.now(), progress=advance)
            problems["figures"] = counted.wrong
            problems["audience"] = recounting.audience(store)
            left_out, rows, figures = counted.left_out, counted.rows, counted.figures
        else:
            left_out, rows, figures = ["nothing was counted again: the store itself is damaged"], 0, 0
    found = [problem for of in problems.values() for problem in of]
    for problem in found:
        app.say(f"WRONG: {problem}")
    for line in left_out:
        app.say(f"not looked at: {line}")
    if not found:
        app.say(f"{app.settings.db} is sound, and its {figures:,} figures are true: {rows:,} rows were counted again.")
    app.give(
        {
            "db": str(app.settings.db),
            "sound": not found,
            "problems": problems,
            "left_out": left_out,
            "figures": figures,
            "rows": rows,
        }
    )
    return FAILED if found else 0
