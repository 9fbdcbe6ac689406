-- Which of an issue's words a person wrote; the others are composed anew whenever its comparisons change.
-- Of issues from before this, nobody knows: theirs stay as they are.
ALTER TABLE issues ADD COLUMN own_words TEXT NOT NULL DEFAULT '["subject", "preheader", "intro"]';

-- The smaller form in which a comparison was frozen, where its own form found no room. 'more': it is only counted.
ALTER TABLE issue_comparisons ADD COLUMN frozen_form TEXT CHECK (frozen_form IN ('brief', 'link', 'more'));

-- What a check found and a person approved all the same.
CREATE TABLE overrides (
  issue INTEGER NOT NULL REFERENCES issues (number),
  check_id TEXT NOT NULL,
  found TEXT NOT NULL,   -- what the check said
  reason TEXT NOT NULL,  -- why it was approved
  made_at TEXT NOT NULL,
  PRIMARY KEY (issue, check_id)
) STRICT, WITHOUT ROWID;
