"""Whether the ledger keeps its own rules: asked of any store, by `digest db check` and by the tests."""

from __future__ import annotations

from digest.store import Database


def check_ledger(db: Database) -> list[str]:
    """Look for anything that contradicts the ledger's rules; a line each, an empty list where all holds."""
    rules = {
        "issue {0} is sent, but {1} of its deliveries are not settled": (
            "SELECT d.issue, count(*) FROM deliveries d JOIN issues i ON i.number = d.issue"
            " WHERE i.state = 'sent' AND d.state IN (0, 1, 4) GROUP BY d.issue"
        ),
        "issue {0} is cancelled, but {1} of its deliveries are queued": (
            "SELECT d.issue, count(*) FROM deliveries d JOIN issues i ON i.number = d.issue"
            " WHERE i.state = 'cancelled' AND d.state = 0 GROUP BY d.issue"
        ),
        "issue {0} is {1}, but has deliveries": (
            "SELECT i.number, i.state FROM issues i WHERE i.sending_at IS NULL"
            " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = i.number)"
        ),
        "issue {0} is {1}, and in doubt since a restore": (
            "SELECT number, state FROM issues WHERE state = 'sent' AND doubted_at IS NOT NULL"
        ),
        "issue {0} is in doubt since a restore, but {1} of its deliveries are claimed": (
            "SELECT d.issue, count(*) FROM deliveries d JOIN issues i ON i.number = d.issue"
            " WHERE i.doubted_at IS NOT NULL AND d.state = 1 GROUP BY d.issue"
        ),
        # By the batch of each delivery: between the first and the last of a variant's batch stand those of others.
        "batch {0} is {1}, but {2} of its deliveries are in a state that does not fit": (
            "SELECT b.number, b.state, count(*) FROM deliveries d JOIN batches b ON b.number = d.batch"
            " WHERE b.issue = d.issue AND d.subscriber BETWEEN b.first AND b.last"
            " AND ((b.state = 'settled' AND d.state IN (1, 4)) OR (b.state = 'claimed' AND d.state <> 1)"
            " OR (b.state IN ('uncertain', 'held') AND d.state = 1)) GROUP BY b.number"
        ),
        "{1} deliveries of issue {0} are of another variant than their batch": (
            "SELECT d.issue, count(*) FROM deliveries d JOIN batches b ON b.number = d.batch"
            " WHERE d.variant <> b.variant GROUP BY d.issue"
        ),
        "{1} deliveries of issue {0} are of a variant that there is not": (
            "SELECT d.issue, count(*) FROM deliveries d LEFT JOIN variants v USING (issue, variant)"
            " WHERE d.variant <> 0 AND v.of_variant IS NULL GROUP BY d.issue"
        ),
        "batch {0} is {1}, but none of its deliveries is uncertain": (
            "SELECT b.number, b.state FROM batches b WHERE b.state IN ('uncertain', 'held') AND NOT EXISTS (SELECT 1"
            " FROM deliveries d WHERE d.issue = b.issue AND d.subscriber BETWEEN b.first AND b.last"
            " AND d.batch = b.number AND d.state = 4)"
        ),
        "{1} deliveries of issue {0} name a batch that is not theirs": (
            "SELECT d.issue, count(*) FROM deliveries d LEFT JOIN batches b ON b.number = d.batch"
            " WHERE d.batch IS NOT NULL AND (b.number IS NULL OR b.issue <> d.issue"
            " OR d.subscriber NOT BETWEEN b.first AND b.last) GROUP BY d.issue"
        ),
    }
    return [text.format(*row) for text, sql in rules.items() for row in db.conn.execute(sql)]
