"""The provider's ids of a batch's copies, as they are kept with the batch."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from itertools import accumulate
from uuid import UUID

import orjson

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def write_ids(ids: Mapping[int, str]) -> bytes:
    """Write (subscriber, id) small: the steps from one subscriber to the next, mostly 1, compressed; then the ids.

    UUIDs, which no compression makes smaller than their 16 bytes, are written as such: two batches fit on a page then.
    """
    subscribers = sorted(ids)
    steps = [after - before for before, after in zip([0, *subscribers], subscribers, strict=False)]
    texts = [ids[subscriber] for subscriber in subscribers]
    head = zlib.compress(orjson.dumps(steps))
    if all(map(_UUID.fullmatch, texts)):
        kind, body = b"U", bytes.fromhex("".join(texts).replace("-", ""))
    else:
        kind, body = b"T", zlib.compress(orjson.dumps(texts))
    return kind + len(head).to_bytes(4, "big") + head + body


def read_ids(written: bytes | None) -> dict[int, str]:
    """Read what `write_ids` wrote; nothing where nothing was."""
    if not written:
        return {}
    start = 5 + int.from_bytes(written[1:5], "big")
    steps, body = orjson.loads(zlib.decompress(written[5:start])), written[start:]
    if written[:1] == b"U":
        texts = [str(UUID(bytes=body[at : at + 16])) for at in range(0, len(body), 16)]
    else:
        texts = orjson.loads(zlib.decompress(body))
    return dict(zip(accumulate(steps), texts, strict=True))
