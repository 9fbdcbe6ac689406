-- What readers need: sign-up with consent, topics, pauses, letters, votes, search; and what programs may do.

-- Topics ------------------------------------------------------------------------------------------------------

-- Each set of categories that readers chose, once. A subscriber without one gets everything.
CREATE TABLE topic_sets (
  id INTEGER PRIMARY KEY,
  topics TEXT NOT NULL UNIQUE  -- JSON: slugs of categories, sorted
) STRICT;

ALTER TABLE subscribers ADD COLUMN topic_set INTEGER REFERENCES topic_sets (id);
ALTER TABLE subscribers ADD COLUMN paused_until TEXT;  -- mailed nothing before this moment
ALTER TABLE subscribers ADD COLUMN confirmed_at TEXT;  -- when the button of the confirmation letter was pressed
CREATE INDEX subscribers_pending ON subscribers (created_at) WHERE state = 'pending';
CREATE INDEX subscribers_topic_set ON subscribers (topic_set) WHERE topic_set IS NOT NULL;

-- What approval froze, to compose an issue from once more for a set of topics.
ALTER TABLE issues ADD COLUMN snapshot TEXT;
-- JSON: what became of readers' topics when the audience was frozen, in counts: see sending/topics.py.
ALTER TABLE issues ADD COLUMN topics_report TEXT;

-- The site asks with every page whether an issue changed: without it, each one's whole content would be stepped over.
CREATE INDEX issues_updated_at ON issues (updated_at, state);

-- An issue as composed for readers of some topics. 0 is the issue itself, which stands in `issues`.
CREATE TABLE variants (
  issue INTEGER NOT NULL REFERENCES issues (number),
  variant INTEGER NOT NULL CHECK (variant > 0),
  topics TEXT NOT NULL,  -- JSON: those of the issue's categories that these readers chose
  subject TEXT NOT NULL,
  preheader TEXT NOT NULL,
  html TEXT NOT NULL,
  text TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  comparisons TEXT NOT NULL,  -- JSON: the slugs in it, in their order
  PRIMARY KEY (issue, variant),
  UNIQUE (issue, topics)
) STRICT;

ALTER TABLE batches ADD COLUMN variant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN variant INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_variant ON deliveries (issue, variant, subscriber) WHERE variant <> 0;

-- Letters: mails to one person ----------------------------------------------------------------------------------

CREATE TABLE letters (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,          -- confirm, welcome, goodbye, address, notice: see mail/letters.py
  subscriber INTEGER REFERENCES subscribers (id),
  email TEXT NOT NULL,         -- where it goes, which need not be the subscriber's address
  email_key TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT '{}',  -- JSON: what the kind needs beside
  state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'claimed', 'sent', 'uncertain', 'failed', 'dropped')),
  idempotency_key TEXT NOT NULL UNIQUE,
  not_before TEXT NOT NULL,
  slot TEXT,       -- of a confirmation letter: its moment in one of the two rows of audience/brake.py; never moved
  proven INTEGER,  -- and in which: 1 where it was asked for with proof of work, else 0
  tries INTEGER NOT NULL DEFAULT 0,
  provider TEXT,
  account TEXT,
  worker INTEGER,
  message_id TEXT,
  trouble TEXT,
  created_at TEXT NOT NULL,
  claimed_at TEXT,
  settled_at TEXT
) STRICT;
CREATE INDEX letters_open ON letters (not_before) WHERE state IN ('queued', 'claimed', 'uncertain');
CREATE INDEX letters_address ON letters (email_key, created_at);
CREATE INDEX letters_kind ON letters (kind, created_at);
CREATE INDEX letters_slot ON letters (proven, slot) WHERE slot IS NOT NULL;

-- Consent, and leaving ------------------------------------------------------------------------------------------

CREATE TABLE consents (
  id INTEGER PRIMARY KEY,
  subscriber INTEGER NOT NULL REFERENCES subscribers (id),
  kind TEXT NOT NULL CHECK (kind IN ('asked', 'confirmed', 'changed', 'left', 'returned', 'imported', 'added')),
  source TEXT NOT NULL,  -- where: the page, the form of another site, the API, a mail
  words TEXT,            -- what the reader agreed to, as it stood there
  ip TEXT,               -- as the setting `consent_details` has it: hashed, kept, or NULL
  agent TEXT,
  given_at TEXT NOT NULL
) STRICT;
CREATE INDEX consents_subscriber ON consents (subscriber);

-- What somebody typed into the sign-up form, we hope the reader: it counts once the reader confirms.
CREATE TABLE wishes (
  subscriber INTEGER PRIMARY KEY REFERENCES subscribers (id),
  name TEXT,
  timezone TEXT,
  topics TEXT NOT NULL,  -- JSON, as in topic_sets; [] is everything
  source TEXT NOT NULL,
  asked_at TEXT NOT NULL
) STRICT;
CREATE INDEX wishes_asked_at ON wishes (asked_at);

-- A new address that its owner has not confirmed yet. No number is given twice: a link to an earlier change, which was
-- mailed to another address, must not confirm this one.
CREATE TABLE address_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subscriber INTEGER NOT NULL REFERENCES subscribers (id),
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  asked_at TEXT NOT NULL
) STRICT;
CREATE INDEX address_changes_subscriber ON address_changes (subscriber);

CREATE TABLE departures (
  id INTEGER PRIMARY KEY,
  subscriber INTEGER NOT NULL REFERENCES subscribers (id),
  issue INTEGER,         -- whose link was used, where it was one's
  way TEXT NOT NULL CHECK (way IN ('one-click', 'page', 'mail', 'preferences', 'editor', 'api')),
  reason TEXT,           -- the reader's choice
  words TEXT,            -- and own words
  left_at TEXT NOT NULL,
  returned_at TEXT       -- undone
) STRICT;
CREATE INDEX departures_subscriber ON departures (subscriber);

-- Where a suppression came from: an import, a provider's event, a person.
ALTER TABLE suppressions ADD COLUMN source TEXT;

-- What became of attempts to sign up, an hour a row: how the guards do is measured, nobody is kept.
CREATE TABLE sign_up_counts (
  hour TEXT NOT NULL,    -- such as 2026-11-26T09
  outcome TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (hour, outcome)
) STRICT, WITHOUT ROWID;

-- Programs ------------------------------------------------------------------------------------------------------

CREATE TABLE api_tokens (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  hash BLOB NOT NULL UNIQUE,  -- SHA-256: the token itself is shown once
  scopes TEXT NOT NULL,       -- JSON
  created_at TEXT NOT NULL,
  expires_at TEXT,
  last_used_at TEXT,
  revoked_at TEXT
) STRICT;

-- Answers to POSTs that carried an Idempotency-Key: the same again gets the same answer.
CREATE TABLE answers (
  token INTEGER NOT NULL REFERENCES api_tokens (id),
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,  -- of the request
  status INTEGER NOT NULL,
  body BLOB NOT NULL,
  location TEXT,  -- where what the call made is found
  made_at TEXT NOT NULL,
  PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_made_at ON answers (made_at);

-- The catalogue, searched and cached ------------------------------------------------------------------------------

-- Counts every change of what the catalogue's pages show: pages are kept as long as it stands still.
CREATE TABLE catalogue_version (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  version INTEGER NOT NULL
) STRICT;
INSERT INTO catalogue_version VALUES (1, 1);

-- What the pages of tools, categories and reviewers look for.
CREATE INDEX comparisons_left_tool ON comparisons (left_tool, published_at);
CREATE INDEX comparisons_right_tool ON comparisons (right_tool, published_at);
CREATE INDEX reviews_reviewer ON reviews (reviewer);
CREATE INDEX tools_category ON tools (category);

CREATE VIRTUAL TABLE tool_words USING fts5 (
  name, tagline, category, description, quotes, tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO tool_words (rowid, name, tagline, category, description, quotes)
  SELECT id, name, tagline, category, description,
    (SELECT group_concat(quote, ' ') FROM reviews WHERE tool = tools.id) FROM tools;

CREATE TRIGGER tools_added AFTER INSERT ON tools BEGIN
  UPDATE catalogue_version SET version = version + 1;
  INSERT INTO tool_words (rowid, name, tagline, category, description, quotes)
    VALUES (new.id, new.name, new.tagline, new.category, new.description, '');
END;
CREATE TRIGGER tools_changed AFTER UPDATE ON tools BEGIN
  UPDATE catalogue_version SET version = version + 1;
  UPDATE tool_words SET name = new.name, tagline = new.tagline, category = new.category,
    description = new.description WHERE rowid = new.id;
END;
CREATE TRIGGER tools_removed AFTER DELETE ON tools BEGIN
  UPDATE catalogue_version SET version = version + 1;
  DELETE FROM tool_words WHERE rowid = old.id;
END;
CREATE TRIGGER reviews_added AFTER INSERT ON reviews BEGIN
  UPDATE catalogue_version SET version = version + 1;
  UPDATE tool_words SET quotes = (SELECT group_concat(quote, ' ') FROM reviews WHERE tool = new.tool)
    WHERE rowid = new.tool;
END;
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews BEGIN
  UPDATE catalogue_version SET version = version + 1;
  UPDATE tool_words SET quotes = (SELECT group_concat(quote, ' ') FROM reviews WHERE tool = new.tool)
    WHERE rowid = new.tool;
END;
CREATE TRIGGER reviews_removed AFTER DELETE ON reviews BEGIN
  UPDATE catalogue_version SET version = version + 1;
  UPDATE tool_words SET quotes = (SELECT group_concat(quote, ' ') FROM reviews WHERE tool = old.tool)
    WHERE rowid = old.tool;
END;
CREATE TRIGGER reviewers_added AFTER INSERT ON reviewers BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER reviewers_changed AFTER UPDATE ON reviewers BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER reviewers_removed AFTER DELETE ON reviewers BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER comparisons_added AFTER INSERT ON comparisons BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER comparisons_changed AFTER UPDATE ON comparisons BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER comparisons_removed AFTER DELETE ON comparisons BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER votes_added AFTER INSERT ON votes BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER votes_changed AFTER UPDATE ON votes BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
CREATE TRIGGER votes_removed AFTER DELETE ON votes BEGIN
  UPDATE catalogue_version SET version = version + 1;
END;
