"""Drawing lots: which readers an issue's subjects are tried on, and which subject each of them gets.

Those of each variant are put in an order of chance; then every so manieth of all is drawn, and the subjects are dealt
out to them in turn. So the share is met to within one reader, in each variant too, no subject has two more than
another, and who gets which is chance. The order comes from the nonce that is drawn when the audience is frozen, so it
can be told again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from digest.issue.variant_records import Retitled


@dataclass(frozen=True)
class Drawing:
    """What there is to draw: so many subjects, the issue's own among them, on so many percent of the audience.

    `variants` counts the issue and its variants for topics. `retitled` are those with other subjects, and `addresses`
    what they link to where their HTML is another.
    """

    subjects: int
    share: int
    variants: int
    retitled: tuple[Retitled, ...] = ()
    addresses: tuple[str, ...] = ()


def number_of(variant: int, subject: int, *, variants: int) -> int:
    """Give the number of a variant with a subject; with one more than there are, of the one that waits."""
    return variant + subject * variants


def lot(nonce: str) -> Callable[[int], int]:
    """Give what says at which place of the order of chance a reader stands."""
    key = nonce.encode()

    def of(subscriber: int) -> int:
        return int.from_bytes(blake2b(subscriber.to_bytes(8), key=key, digest_size=7).digest())

    return of


DRAWN = (
    "SELECT id, host, wanted, CASE WHEN wanted = {no_mail} THEN 0"
    # So many of them are drawn that each subject has a reader at least, where there are so many.
    " WHEN (at + 1) * drawn / readers > at * drawn / readers THEN topic + at * drawn / readers % :subjects * :variants"
    " ELSE topic + :subjects * :variants END AS variant"
    " FROM (SELECT *, min(readers, max(:subjects, (readers * :share + 50) / 100)) AS drawn FROM (SELECT *,"
    " max(wanted, 0) AS topic, count(*) OVER (PARTITION BY wanted = {no_mail}) AS readers,"
    " row_number() OVER (PARTITION BY wanted = {no_mail} ORDER BY max(wanted, 0), lot(id)) - 1 AS at"
    " FROM ({audience})))"
)
"""Gives the variant of each reader of an `audience` with the columns id, wanted (the variant of their topics) and host.

SQLite works in whole numbers here: a million readers by a million is far below 2^63.
"""
