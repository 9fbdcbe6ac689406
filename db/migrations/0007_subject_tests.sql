-- Subject alternatives: which were written, who is drawn to get which, and which one won. See sending/subject_test.py.

-- How an issue's subjects are tried out. Without a row in `subjects` there is nothing to try, whatever this says.
CREATE TABLE subject_tests (
  issue INTEGER PRIMARY KEY REFERENCES issues (number),
  share INTEGER NOT NULL CHECK (share BETWEEN 5 AND 100),    -- percent of the audience that it is tried on
  wait INTEGER NOT NULL CHECK (wait BETWEEN 5 AND 1440),     -- minutes from when those have it to the decision
  rule TEXT NOT NULL CHECK (rule IN ('clicks', 'person')),   -- who decides
  tested_at TEXT,                  -- when the last copy of the share had been handed over
  decided_at TEXT,
  winner INTEGER,                  -- of `subjects`; 0 is the issue's own
  decided_by TEXT CHECK (decided_by IN ('clicks', 'too close', 'person', 'trouble')),
  editor INTEGER REFERENCES editors (id),  -- who chose, where a person at the desk did
  found TEXT,                      -- JSON: the figures by which it was decided, or what the trouble was
  CHECK ((winner IS NULL) = (decided_by IS NULL) AND (winner IS NULL) = (decided_at IS NULL))
) STRICT;

-- The alternatives beside the issue's own subject, numbered without a gap.
CREATE TABLE subjects (
  issue INTEGER NOT NULL REFERENCES issues (number),
  number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4),
  subject TEXT NOT NULL,
  preheader TEXT,                  -- NULL: the issue's
  PRIMARY KEY (issue, number)
) STRICT, WITHOUT ROWID;

-- A decision stays: copies went out by it.
CREATE TRIGGER subject_tests_stay BEFORE UPDATE OF winner ON subject_tests
  WHEN old.winner IS NOT NULL AND new.winner IS NOT old.winner
  BEGIN SELECT RAISE(ABORT, 'which subject won is not decided twice'); END;

-- They are part of the draft, and the decision is part of what an issue has come to.
CREATE TRIGGER subject_tests_added AFTER INSERT ON subject_tests
  BEGIN UPDATE issues SET version = version + 1 WHERE number = new.issue; END;
CREATE TRIGGER subject_tests_changed AFTER UPDATE ON subject_tests
  BEGIN UPDATE issues SET version = version + 1 WHERE number = new.issue; END;
CREATE TRIGGER subject_tests_removed AFTER DELETE ON subject_tests
  BEGIN UPDATE issues SET version = version + 1 WHERE number = old.issue; END;
CREATE TRIGGER subjects_added AFTER INSERT ON subjects
  BEGIN UPDATE issues SET version = version + 1 WHERE number = new.issue; END;
CREATE TRIGGER subjects_changed AFTER UPDATE ON subjects
  BEGIN UPDATE issues SET version = version + 1 WHERE number = new.issue; END;
CREATE TRIGGER subjects_removed AFTER DELETE ON subjects
  BEGIN UPDATE issues SET version = version + 1 WHERE number = old.issue; END;

-- Variants: of each set of topics one for each subject, and one that waits for the subject that wins.
CREATE TABLE variants_0007 (
  issue INTEGER NOT NULL REFERENCES issues (number),
  variant INTEGER NOT NULL CHECK (variant > 0),
  topics TEXT NOT NULL,       -- JSON: those of the issue's categories that these readers chose
  subject TEXT,               -- NULL, like the hash, while it waits
  preheader TEXT,
  html TEXT,                  -- NULL, like the text: that of `of_variant`
  text TEXT,
  content_hash TEXT,
  comparisons TEXT NOT NULL,  -- JSON: the slugs in it, in their order
  alternative INTEGER DEFAULT 0,  -- the number of its subject, 0 the one of `of_variant`; NULL: the one that wins
  of_variant INTEGER NOT NULL,    -- the variant of the same topics with their own subject: itself; 0 is the issue
  same_as INTEGER,            -- of one that waited: the variant these readers get
  PRIMARY KEY (issue, variant),
  CHECK (alternative IS NULL OR (same_as IS NULL AND subject IS NOT NULL AND content_hash IS NOT NULL)),
  CHECK (alternative IS NOT NULL OR (html IS NULL AND text IS NULL AND (same_as IS NULL) = (content_hash IS NULL))),
  CHECK (of_variant <> variant OR (html IS NOT NULL AND text IS NOT NULL AND alternative = 0))
) STRICT;
INSERT INTO variants_0007
  SELECT issue, variant, topics, subject, preheader, html, text, content_hash, comparisons, 0, variant, NULL FROM variants;
DROP TABLE variants;
ALTER TABLE variants_0007 RENAME TO variants;
CREATE UNIQUE INDEX variants_topics ON variants (issue, topics) WHERE of_variant = variant;
CREATE TRIGGER variants_stay BEFORE UPDATE OF same_as ON variants
  WHEN old.same_as IS NOT NULL AND new.same_as IS NOT old.same_as
  BEGIN SELECT RAISE(ABORT, 'a variant is not changed once it is known'); END;

-- An issue's subject and preheader as the world is shown them: those that won, where several were tried.
CREATE VIEW shown_words AS
  SELECT i.number AS issue, coalesce(s.subject, i.subject) AS subject, coalesce(s.preheader, i.preheader) AS preheader
  FROM issues i LEFT JOIN subject_tests t ON t.issue = i.number
    LEFT JOIN subjects s ON s.issue = t.issue AND s.number = t.winner;

DROP TRIGGER webhooks_issue_sent;
CREATE TRIGGER webhooks_issue_sent AFTER UPDATE OF state ON issues
  WHEN new.state = 'sent' AND old.state <> 'sent' AND EXISTS (SELECT 1 FROM webhooks) BEGIN
  INSERT INTO webhook_messages (webhook, state, name, kind, body, not_before, created_at, settled_at)
    SELECT webhook, state, 'msg_' || lower(hex(randomblob(16))), kind,
      json_object('type', kind, 'timestamp', new.updated_at,
        'data', json_object('issue', new.number, 'subject', (SELECT subject FROM shown_words WHERE issue = new.number),
          'sent_at', new.sent_at)),
      new.updated_at, new.updated_at, iif(state = 'dead', new.updated_at, NULL)
    FROM webhook_wishes WHERE kind = 'issue.sent';
END;
