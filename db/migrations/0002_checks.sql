-- Which of an issue's words a person wrote; the others are composed anew whenever its comparisons change.
-- Of issues from before this, nobody knows: theirs stay as they are.
ALTER TABLE issues ADD COLUMN own_words TEXT NOT NULL DEFAULT '["subject", "preheader", "intro"]';

-- A comparison may also be only counted, for want of room (form 'more').
CREATE TABLE issue_comparisons_2 (
  issue INTEGER NOT NULL REFERENCES issues (number),
  comparison INTEGER NOT NULL REFERENCES comparisons (id),
  position INTEGER NOT NULL,
  form TEXT NOT NULL CHECK (form IN ('full', 'brief', 'link', 'more', 'out')),
  updated INTEGER NOT NULL DEFAULT 0 CHECK (updated IN (0, 1)),  -- 1: sent before, back because it changed
  substance TEXT NOT NULL,  -- hash of what would make it news again: verdicts, panel ship, entry
  PRIMARY KEY (issue, comparison)
) STRICT, WITHOUT ROWID;
INSERT INTO issue_comparisons_2 (issue, comparison, position, form, updated, substance)
  SELECT issue, comparison, position, form, updated, substance FROM issue_comparisons;
DROP TABLE issue_comparisons;
ALTER TABLE issue_comparisons_2 RENAME TO issue_comparisons;
CREATE INDEX issue_comparisons_comparison ON issue_comparisons (comparison);

-- What a check found and a person approved all the same.
CREATE TABLE overrides (
  issue INTEGER NOT NULL REFERENCES issues (number),
  check_id TEXT NOT NULL,
  found TEXT NOT NULL,   -- what the check said
  reason TEXT NOT NULL,  -- why it was approved
  made_at TEXT NOT NULL,
  PRIMARY KEY (issue, check_id)
) STRICT, WITHOUT ROWID;
