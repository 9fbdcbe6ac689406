-- The desk: who may use it, what they did, and what editing an issue together needs.

-- People --------------------------------------------------------------------------------------------------------

CREATE TABLE editors (
  id INTEGER PRIMARY KEY,
  email TEXT NOT NULL,             -- as it is spelt
  email_key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,              -- what colleagues see; the part before the @ where nobody gave one
  role TEXT NOT NULL CHECK (role IN ('editor', 'publisher', 'owner')),
  handle BLOB NOT NULL UNIQUE,     -- 32 bytes of chance: the user handle of passkeys (WebAuthn, 5.4.3), told to nobody else
  told_trouble INTEGER NOT NULL DEFAULT 1 CHECK (told_trouble IN (0, 1)),  -- a mail when sending stops on trouble
  told_sent INTEGER NOT NULL DEFAULT 1 CHECK (told_sent IN (0, 1)),        -- a mail when an issue has been sent
  created_at TEXT NOT NULL,
  seen_at TEXT,
  removed_at TEXT                  -- may not come in any more; the row stays, for what they did has their name
) STRICT;

-- Links that let in once. Only the SHA-256 of a secret is kept, here and in all that follows.
CREATE TABLE sign_in_links (
  id INTEGER PRIMARY KEY,
  token BLOB NOT NULL,
  editor INTEGER REFERENCES editors (id),  -- NULL: asked for with a stranger's address; asking does the same for all
  browser BLOB,                    -- of the cookie of the browser that asked; NULL: works in any
  next TEXT NOT NULL,              -- where it leads
  created_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  used_at TEXT
) STRICT;
CREATE INDEX sign_in_links_editor ON sign_in_links (editor, created_at);
-- A letter with such a link is written with a salt in its detail, which goes once nothing is to be written any more: no
-- backup can make the link again.
CREATE TRIGGER letters_salt_goes AFTER UPDATE OF state ON letters
  WHEN new.kind = 'sign-in' AND new.state IN ('sent', 'failed', 'dropped')
  BEGIN UPDATE letters SET detail = '{}' WHERE id = new.id; END;

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  secret BLOB NOT NULL UNIQUE,
  editor INTEGER NOT NULL REFERENCES editors (id),
  way TEXT NOT NULL CHECK (way IN ('link', 'passkey')),
  browser TEXT NOT NULL,           -- such as "Firefox on Linux"
  created_at TEXT NOT NULL,
  seen_at TEXT NOT NULL,           -- to within some minutes
  ends_at TEXT NOT NULL,
  ended_at TEXT
) STRICT;
CREATE INDEX sessions_editor ON sessions (editor);

CREATE TABLE passkeys (
  id BLOB PRIMARY KEY,             -- the credential id
  editor INTEGER NOT NULL REFERENCES editors (id),
  name TEXT NOT NULL,
  public_key BLOB NOT NULL,        -- as COSE
  sign_count INTEGER NOT NULL,
  transports TEXT NOT NULL,        -- JSON
  created_at TEXT NOT NULL,
  used_at TEXT
) STRICT, WITHOUT ROWID;

-- What a passkey is to sign next: used once.
CREATE TABLE challenges (
  challenge BLOB PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('add', 'sign in')),
  editor INTEGER REFERENCES editors (id),
  browser BLOB NOT NULL,           -- of the cookie of the browser that asked
  ends_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what. Rows are only added; of readers they name the number, never the address.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  editor INTEGER REFERENCES editors (id),  -- NULL: the command line, a program, digest itself
  who TEXT NOT NULL,               -- the name as it was then
  did TEXT NOT NULL,               -- such as "approved"
  what TEXT NOT NULL,              -- such as "issue 12"
  detail TEXT NOT NULL DEFAULT '{}'  -- JSON
) STRICT;
CREATE INDEX audit_what ON audit (what, id);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'what was done is not rewritten'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'what was done is not erased'); END;

-- Settings chosen in the desk. What the operator set in the file, the environment or on the command line is stronger.
CREATE TABLE chosen_settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,             -- JSON
  chosen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Editing an issue together -------------------------------------------------------------------------------------

-- Counts every change of what is in a draft, or of what state an issue is in.
ALTER TABLE issues ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
-- Who approved it, and who asked for approval where two must agree.
ALTER TABLE issues ADD COLUMN approved_by INTEGER REFERENCES editors (id);
ALTER TABLE issues ADD COLUMN asked_by INTEGER REFERENCES editors (id);
ALTER TABLE issues ADD COLUMN asked_at TEXT;  -- both NULL where nobody did since it was last approved or taken back

-- 1: an editor chose its form, so that it stays whatever is moved; of the others the form belongs to the place.
ALTER TABLE issue_comparisons ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0 CHECK (chosen IN (0, 1));

-- Each change of a draft, so that it can be undone. Quick changes of the same words by the same hand are one row.
CREATE TABLE edits (
  issue INTEGER NOT NULL REFERENCES issues (number),
  number INTEGER NOT NULL,         -- 1, 2, 3 … of the issue
  version INTEGER NOT NULL,        -- of the issue after it
  editor INTEGER REFERENCES editors (id),
  began_at TEXT NOT NULL,
  at TEXT NOT NULL,                -- of its last keystroke
  field TEXT NOT NULL CHECK (field IN ('subject', 'preheader', 'intro', 'comparisons')),
  before TEXT NOT NULL,            -- JSON: the words (null: nobody's own), or the comparisons with their forms, in order
  after TEXT NOT NULL,
  undoes INTEGER,                  -- the edit that this one takes back
  undone_by INTEGER,               -- the edit that took this one back
  PRIMARY KEY (issue, number)
) STRICT, WITHOUT ROWID;

-- What of one's own can be undone, without reading the words.
CREATE INDEX edits_editor ON edits (issue, editor, undoes, undone_by);

-- Words that met another's: nothing typed is lost.
CREATE TABLE set_aside (
  id INTEGER PRIMARY KEY,
  issue INTEGER NOT NULL REFERENCES issues (number),
  field TEXT NOT NULL,
  editor INTEGER NOT NULL REFERENCES editors (id),
  words TEXT NOT NULL,
  at TEXT NOT NULL,
  settled_at TEXT                  -- used, or thrown away
) STRICT;
CREATE INDEX set_aside_open ON set_aside (issue) WHERE settled_at IS NULL;

-- Who is looking at an issue, and at which of its fields, some seconds ago.
CREATE TABLE presence (
  issue INTEGER NOT NULL REFERENCES issues (number),
  session INTEGER NOT NULL REFERENCES sessions (id),
  page TEXT NOT NULL,              -- chance, drawn by the page: one editor may have two windows
  field TEXT NOT NULL,             -- '' where it is none
  at TEXT NOT NULL,
  PRIMARY KEY (issue, session, page)
) STRICT, WITHOUT ROWID;

-- Links to a preview for people without an account.
CREATE TABLE shares (
  id INTEGER PRIMARY KEY,
  secret BLOB NOT NULL UNIQUE,
  issue INTEGER NOT NULL REFERENCES issues (number),
  editor INTEGER REFERENCES editors (id),
  created_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  revoked_at TEXT
) STRICT;
CREATE INDEX shares_issue ON shares (issue);

-- Test sends: an issue as it was when somebody wanted it in their own mailbox. Its letters, of kind "test", name it.
CREATE TABLE trials (
  id INTEGER PRIMARY KEY,
  issue INTEGER NOT NULL REFERENCES issues (number),
  version INTEGER NOT NULL,        -- of the issue
  editor INTEGER REFERENCES editors (id),
  copies INTEGER NOT NULL,         -- to how many addresses; the addresses are those of the letters, and go with them
  draft TEXT,                      -- JSON: what it is rendered from; NULL once its letters are deleted
  name TEXT,                       -- of the made-up reader who is greeted
  topics TEXT NOT NULL,            -- JSON: what that reader chose; [] is everything
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX trials_editor ON trials (editor, created_at);

-- What editors were mailed about an issue: once for each thing that happened.
CREATE TABLE notices (
  issue INTEGER NOT NULL REFERENCES issues (number),
  about TEXT NOT NULL,             -- such as "sent", or "trouble: " and the moment it began
  at TEXT NOT NULL,
  PRIMARY KEY (issue, about)
) STRICT, WITHOUT ROWID;

-- When what keeps an issue from being sent (`trouble`) began. It may be said of one that is approved or being sent too.
ALTER TABLE issues ADD COLUMN trouble_at TEXT;
UPDATE issues SET trouble = NULL WHERE state <> 'paused';
UPDATE issues SET trouble_at = updated_at WHERE trouble IS NOT NULL;
-- It is over once the issue is in another state, or has another time.
CREATE TRIGGER issues_trouble_over AFTER UPDATE OF state, scheduled_at ON issues
  WHEN new.trouble IS NOT NULL AND new.trouble IS old.trouble AND new.state <> 'paused'
    AND (new.state <> old.state OR new.scheduled_at IS NOT old.scheduled_at)
  BEGIN UPDATE issues SET trouble = NULL, trouble_at = NULL WHERE number = new.number; END;

-- The sending page adds up an issue's batches. The other index is made anew after it: of two that serve as well, SQLite
-- takes the newest, and what the engine asks is to find the few that are open.
CREATE INDEX batches_issue ON batches (issue);
DROP INDEX batches_open;
CREATE INDEX batches_open ON batches (issue) WHERE state <> 'settled';

CREATE TRIGGER issues_version AFTER UPDATE OF state, subject, preheader, intro, own_words, scheduled_at, local_time, trouble
  ON issues BEGIN UPDATE issues SET version = version + 1 WHERE number = new.number; END;
CREATE TRIGGER issue_comparisons_added AFTER INSERT ON issue_comparisons
  BEGIN UPDATE issues SET version = version + 1 WHERE number = new.issue; END;
CREATE TRIGGER issue_comparisons_changed AFTER UPDATE ON issue_comparisons
  BEGIN UPDATE issues SET version = version + 1 WHERE number = new.issue; END;
CREATE TRIGGER issue_comparisons_removed AFTER DELETE ON issue_comparisons
  BEGIN UPDATE issues SET version = version + 1 WHERE number = old.issue; END;
