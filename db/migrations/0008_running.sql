-- Running by itself: what the schedule did and when, and what a store that was restored must not take for granted.

-- Since when a job is known, with the times it has. What was due before is not caught up; with other times it begins anew.
CREATE TABLE jobs (
  name TEXT PRIMARY KEY,
  rule TEXT NOT NULL,              -- its times, as they were set
  since TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What ran, and what was missed: a row for each time a job was due, so that of two processes one does it.
CREATE TABLE runs (
  job TEXT NOT NULL,
  due_at TEXT NOT NULL,            -- of a run by hand, the moment it was asked for
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'missed')),
  by TEXT NOT NULL,                -- 'schedule', or who ran it by hand
  worker INTEGER NOT NULL,         -- whose lock says whether it still lives: see sending/workers.py; 0 where it is over
  tries INTEGER NOT NULL DEFAULT 1,
  began_at TEXT NOT NULL,          -- of one that was missed, when that was noticed
  ended_at TEXT,
  words TEXT NOT NULL DEFAULT '',  -- what came of it, for a person
  PRIMARY KEY (job, due_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_began ON runs (began_at);
CREATE INDEX runs_open ON runs (job) WHERE state = 'running';

-- 1: only a person approves this issue, whatever `auto_approve` says.
ALTER TABLE issues ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand IN (0, 1));

-- A letter when the next issue is drafted by itself, before one is to go, and where there is nothing to make one of.
ALTER TABLE editors ADD COLUMN told_week INTEGER NOT NULL DEFAULT 1 CHECK (told_week IN (0, 1));

-- When this store was brought back from a backup: what happened between the backup and that moment it does not know.
CREATE TABLE restores (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  source TEXT NOT NULL,            -- the name of the backup, without its folder
  knows_until TEXT NOT NULL,       -- the newest moment that the backup knows of
  seen_at TEXT                     -- a person has read what follows from it
) STRICT;

-- Of an issue that was being sent when the backup was made: of its open copies nobody here knows whether they went out
-- since. NULL where nothing is doubted, or no longer.
ALTER TABLE issues ADD COLUMN doubted_at TEXT;
