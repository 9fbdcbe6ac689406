-- The store of digest. The words are those of docs/design.md, in the plural.
-- Times are UTC ISO-8601 text with microseconds and a Z, so that they sort as text.

-- Keys made once for this store, such as the one that signs links where no setting gives it.
CREATE TABLE keys (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

-- Catalogue ---------------------------------------------------------------------------------------------------

CREATE TABLE tools (
  id INTEGER PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL UNIQUE,  -- the name without case, accents and separators: two spellings are one tool
  tagline TEXT,
  category TEXT,
  description TEXT,
  entry TEXT CHECK (entry IN ('free', 'freemium', 'paid')),
  url TEXT,
  panel_ship INTEGER CHECK (panel_ship BETWEEN 0 AND 100),  -- as a source states it; verdicts, where stated, win
  community INTEGER CHECK (community BETWEEN 0 AND 100),    -- as a source states it; votes, where there are any, win
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE reviewers (
  id INTEGER PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  stance TEXT,
  position INTEGER NOT NULL,  -- the place in the panel's order
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE reviews (
  tool INTEGER NOT NULL REFERENCES tools (id),
  reviewer INTEGER NOT NULL REFERENCES reviewers (id),
  verdict TEXT CHECK (verdict IN ('ship', 'skip')),  -- NULL: not stated
  quote TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (tool, reviewer)
) STRICT;

CREATE TABLE comparisons (
  id INTEGER PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  left_tool INTEGER NOT NULL REFERENCES tools (id),
  right_tool INTEGER NOT NULL REFERENCES tools (id),
  published_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  CHECK (left_tool <> right_tool)
) STRICT;
CREATE INDEX comparisons_published_at ON comparisons (published_at);

CREATE TABLE votes (
  tool INTEGER NOT NULL REFERENCES tools (id),
  voter TEXT NOT NULL,  -- any text that stands for one reader
  verdict TEXT NOT NULL CHECK (verdict IN ('ship', 'skip')),
  voted_at TEXT NOT NULL,
  PRIMARY KEY (tool, voter)
) STRICT, WITHOUT ROWID;

-- Issues ------------------------------------------------------------------------------------------------------

CREATE TABLE issues (
  number INTEGER PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('draft', 'approved', 'sending', 'paused', 'sent', 'cancelled')),
  subject TEXT NOT NULL,
  preheader TEXT NOT NULL,
  intro TEXT NOT NULL,
  cutoff TEXT NOT NULL,  -- comparisons up to this moment were collected; also the date the issue carries
  content_hash TEXT,     -- of all that approval froze
  html TEXT,             -- frozen at approval, with the places that differ per copy still open
  text TEXT,
  links TEXT,            -- JSON: the addresses in the issue, in their order
  envelope TEXT,         -- JSON: sender, reply-to and headers, frozen with the rest
  scheduled_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  approved_at TEXT,
  sending_at TEXT,       -- when the audience was frozen
  sent_at TEXT,
  cancelled_at TEXT,
  CHECK (
    state IN ('draft', 'cancelled')
    OR (content_hash IS NOT NULL AND html IS NOT NULL AND text IS NOT NULL AND envelope IS NOT NULL)
  )
) STRICT;

-- Every comparison an issue considered, also one it left out: collecting takes what stands in no issue yet.
CREATE TABLE issue_comparisons (
  issue INTEGER NOT NULL REFERENCES issues (number),
  comparison INTEGER NOT NULL REFERENCES comparisons (id),
  position INTEGER NOT NULL,
  form TEXT NOT NULL CHECK (form IN ('full', 'brief', 'link', 'out')),
  updated INTEGER NOT NULL DEFAULT 0 CHECK (updated IN (0, 1)),  -- 1: sent before, back because it changed
  substance TEXT NOT NULL,  -- hash of what would make it news again: verdicts, panel ship, entry
  PRIMARY KEY (issue, comparison)
) STRICT, WITHOUT ROWID;
CREATE INDEX issue_comparisons_comparison ON issue_comparisons (comparison);

-- Audience ----------------------------------------------------------------------------------------------------

CREATE TABLE subscribers (
  id INTEGER PRIMARY KEY,
  email TEXT NOT NULL,             -- as the reader spells it
  email_key TEXT NOT NULL UNIQUE,  -- the same mailbox, whatever the case and the form of the domain
  name TEXT,
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'unsubscribed')),
  source TEXT NOT NULL,            -- where the subscription came from
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE suppressions (
  email_key TEXT PRIMARY KEY,
  reason TEXT NOT NULL CHECK (reason IN ('unsubscribed', 'hard bounce', 'complaint', 'forgotten')),
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The sending ledger: see docs/design.md, "The sending ledger" ------------------------------------------------

CREATE TABLE batches (
  number INTEGER PRIMARY KEY,
  issue INTEGER NOT NULL REFERENCES issues (number),
  provider TEXT NOT NULL,
  account TEXT NOT NULL,    -- where at the provider it went: only there can it be asked for
  idempotency_key TEXT NOT NULL UNIQUE,
  worker INTEGER NOT NULL,  -- whose lock says whether it still lives: see sending/workers.py
  state TEXT NOT NULL CHECK (state IN ('claimed', 'uncertain', 'settled')),
  first INTEGER NOT NULL,   -- its deliveries are the rows of that number between these two subscribers
  last INTEGER NOT NULL,
  size INTEGER NOT NULL,
  claimed_at TEXT NOT NULL,
  settled_at TEXT,
  trouble TEXT              -- why it is, or was, uncertain
) STRICT;
CREATE INDEX batches_open ON batches (issue) WHERE state <> 'settled';

-- One row a copy, without rowid and with small numbers for states, because there are a million of them an issue:
-- about 16 bytes each, claimed and recorded at 0.9 M rows/s.
CREATE TABLE deliveries (
  issue INTEGER NOT NULL REFERENCES issues (number),
  subscriber INTEGER NOT NULL REFERENCES subscribers (id),
  state INTEGER NOT NULL DEFAULT 0  -- 0 queued, 1 claimed, 2 accepted, 3 rejected, 4 uncertain, 5 skipped
    CHECK (state BETWEEN 0 AND 5),
  batch INTEGER,       -- the last batch it was in
  message_id TEXT,     -- the provider's, where it cannot be told from the issue and the subscriber
  reason TEXT,         -- why it was rejected or skipped
  PRIMARY KEY (issue, subscriber),
  CHECK (batch IS NOT NULL OR state IN (0, 5))
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  issue INTEGER NOT NULL,
  subscriber INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK
    (kind IN ('delivered', 'bounced', 'complained', 'opened', 'clicked', 'voted', 'unsubscribed')),
  detail TEXT,
  happened_at TEXT NOT NULL,
  FOREIGN KEY (issue, subscriber) REFERENCES deliveries (issue, subscriber)
) STRICT;
CREATE INDEX events_delivery ON events (issue, subscriber);
