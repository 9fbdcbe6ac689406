-- What sending through many providers needs: how an uncertain batch was settled, pace, and the reader's own time.

-- Ids of the provider are kept with the batch, compressed: see sending/ledger.py. No provider gave any until now.
ALTER TABLE deliveries DROP COLUMN message_id;

CREATE TABLE batches_0003 (
  number INTEGER PRIMARY KEY,
  issue INTEGER NOT NULL REFERENCES issues (number),
  provider TEXT NOT NULL,
  account TEXT NOT NULL,    -- where at the provider it went: only there can it be asked for
  idempotency_key TEXT NOT NULL UNIQUE,
  worker INTEGER NOT NULL,  -- whose lock says whether it still lives: see sending/workers.py
  state TEXT NOT NULL CHECK (state IN ('claimed', 'uncertain', 'held', 'settled')),  -- held: a person must decide
  first INTEGER NOT NULL,   -- its deliveries are the rows of that number between these two subscribers
  last INTEGER NOT NULL,
  size INTEGER NOT NULL,
  fingerprint BLOB,         -- of the addresses and names handed over: with others it cannot be handed over again
  claimed_at TEXT NOT NULL,
  uncertain_at TEXT,        -- since when it is known that it is uncertain
  settled_at TEXT,
  settled_by TEXT CHECK (settled_by IN ('answer', 'refused', 'replay', 'asked', 'events', 'setting', 'person')),
  trouble TEXT,             -- why it is, or was, uncertain, or why it was refused
  message_ids BLOB          -- the provider's ids of its accepted copies
) STRICT;
INSERT INTO batches_0003
  (number, issue, provider, account, idempotency_key, worker, state, first, last, size, claimed_at, uncertain_at,
   settled_at, settled_by, trouble)
  SELECT number, issue, provider, account, idempotency_key, worker, state, first, last, size, claimed_at,
    CASE WHEN state = 'uncertain' THEN claimed_at END, settled_at,
    CASE WHEN state = 'settled' THEN CASE WHEN trouble IS NULL THEN 'answer' ELSE 'asked' END END, trouble
  FROM batches;
DROP TABLE batches;
ALTER TABLE batches_0003 RENAME TO batches;
CREATE INDEX batches_open ON batches (issue) WHERE state <> 'settled';

-- Two kinds more: what proves that a provider took a copy, and what it has not delivered yet.
CREATE TABLE events_0003 (
  id INTEGER PRIMARY KEY,
  issue INTEGER NOT NULL,
  subscriber INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN
    ('accepted', 'deferred', 'delivered', 'bounced', 'complained', 'opened', 'clicked', 'voted', 'unsubscribed')),
  detail TEXT,
  happened_at TEXT NOT NULL,
  FOREIGN KEY (issue, subscriber) REFERENCES deliveries (issue, subscriber)
) STRICT;
INSERT INTO events_0003 SELECT * FROM events;
DROP TABLE events;
ALTER TABLE events_0003 RENAME TO events;
CREATE INDEX events_delivery ON events (issue, subscriber);

ALTER TABLE issues ADD COLUMN trouble TEXT;     -- why sending was paused, where no person did it
ALTER TABLE issues ADD COLUMN local_time TEXT;  -- such as 2026-11-26T09:00: sent then where each reader is
ALTER TABLE issues ADD COLUMN nonce TEXT;       -- drawn when the audience is frozen: no other sending's copies are named so

ALTER TABLE subscribers ADD COLUMN timezone TEXT;  -- an IANA name; NULL: the newsletter's own

-- What all processes that hand over to a provider must know of each other.
CREATE TABLE paces (
  provider TEXT PRIMARY KEY,
  calls_at REAL NOT NULL DEFAULT 0,    -- when its next call may begin, in seconds since 1970
  copies_at REAL NOT NULL DEFAULT 0,   -- the same, by its limit of copies
  not_before REAL NOT NULL DEFAULT 0   -- until when it told us to wait
) STRICT, WITHOUT ROWID;

CREATE TABLE provider_days (
  provider TEXT NOT NULL,
  day TEXT NOT NULL,         -- in UTC
  copies INTEGER NOT NULL,   -- handed over and not refused
  PRIMARY KEY (provider, day)
) STRICT, WITHOUT ROWID;
