-- What happened to copies afterwards: events of providers and readers, opens and clicks, and the figures made of them.

-- Events ------------------------------------------------------------------------------------------------------

-- Once for each copy, kind and key, whatever comes twice or in another order: the earliest counts. There may be one a
-- copy, fifty million in a year of a million readers: so small numbers stand for kinds (src/digest/events.py) and
-- moments, and a row has some 15 bytes.
CREATE TABLE events_0005 (
  issue INTEGER NOT NULL,
  subscriber INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind IN (0, 1, 2, 3, 4, 7, 8)),
  key TEXT NOT NULL DEFAULT '',  -- of a bounce, hard or soft; of a vote, the slug of its tool
  at INTEGER NOT NULL,           -- in whole seconds since 1970
  detail TEXT,                   -- what the provider said of it: its code and words
  PRIMARY KEY (issue, subscriber, kind, key),
  FOREIGN KEY (issue, subscriber) REFERENCES deliveries (issue, subscriber)
) STRICT, WITHOUT ROWID;

-- Which mailbox provider a domain is. A delivery keeps its number, so that figures stand when a reader moves.
CREATE TABLE mailbox_hosts (
  domain TEXT PRIMARY KEY,
  host INTEGER NOT NULL  -- see src/digest/events.py
) STRICT, WITHOUT ROWID;
INSERT INTO mailbox_hosts VALUES
  ('gmail.com', 1), ('googlemail.com', 1),
  ('outlook.com', 2), ('hotmail.com', 2), ('live.com', 2), ('msn.com', 2), ('outlook.de', 2), ('outlook.fr', 2),
  ('hotmail.co.uk', 2), ('hotmail.fr', 2), ('hotmail.de', 2), ('hotmail.it', 2), ('hotmail.es', 2), ('live.co.uk', 2),
  ('live.de', 2), ('live.fr', 2), ('live.nl', 2), ('live.se', 2), ('live.com.au', 2), ('live.ca', 2),
  ('outlook.es', 2), ('outlook.it', 2), ('outlook.com.br', 2), ('outlook.jp', 2), ('outlook.in', 2),
  ('yahoo.com', 3), ('ymail.com', 3), ('rocketmail.com', 3), ('aol.com', 3), ('yahoo.co.uk', 3), ('yahoo.fr', 3),
  ('yahoo.de', 3), ('yahoo.it', 3), ('yahoo.es', 3), ('yahoo.ca', 3), ('yahoo.co.in', 3), ('yahoo.com.br', 3),
  ('yahoo.com.au', 3), ('yahoo.co.jp', 3), ('yahoo.in', 3), ('yahoo.com.mx', 3), ('aim.com', 3),
  ('icloud.com', 4), ('me.com', 4), ('mac.com', 4),
  ('proton.me', 5), ('protonmail.com', 5), ('pm.me', 5), ('protonmail.ch', 5),
  ('gmx.de', 6), ('gmx.net', 6), ('gmx.at', 6), ('gmx.ch', 6), ('gmx.com', 6), ('web.de', 6), ('gmx.fr', 6),
  ('fastmail.com', 7), ('fastmail.fm', 7),
  ('yandex.ru', 8), ('yandex.com', 8), ('ya.ru', 8),
  ('mail.ru', 9), ('bk.ru', 9), ('list.ru', 9), ('inbox.ru', 9),
  ('qq.com', 10), ('foxmail.com', 10), ('163.com', 11), ('126.com', 11), ('yeah.net', 11),
  ('zoho.com', 12), ('zohomail.com', 12), ('hey.com', 13),
  ('orange.fr', 14), ('wanadoo.fr', 14), ('free.fr', 15), ('t-online.de', 16), ('comcast.net', 17);
ALTER TABLE deliveries ADD COLUMN host INTEGER NOT NULL DEFAULT 0;

-- Of these copies are queued again that events may prove accepted after all: see sending/evidence.py. They are few.
CREATE INDEX batches_said ON batches (issue) WHERE settled_by IN ('setting', 'person');

-- Opens and clicks --------------------------------------------------------------------------------------------

-- What approval froze of how an issue's opens and clicks are counted: see issue/tracked.py. NULL: they are not.
ALTER TABLE issues ADD COLUMN tracking TEXT;
-- The UTM tags of its links, frozen likewise; where its opens and clicks are not counted, its mails have them.
ALTER TABLE issues ADD COLUMN utm TEXT;
-- Turns subscribers into numbers that stand for copies, where it is counted how many read and not who. Erased when the
-- issue is sent or cancelled: from then on nobody can tell whose copy a number is.
ALTER TABLE issues ADD COLUMN pseudonym_key BLOB;
-- When its events were deleted, because they were old; its figures stay.
ALTER TABLE issues ADD COLUMN events_deleted_at TEXT;

-- The addresses an issue links to, all variants together, written down when its audience is frozen. Nothing else is
-- ever redirected to. 0 is no link: it is what only machines follow.
CREATE TABLE links (
  issue INTEGER NOT NULL REFERENCES issues (number),
  number INTEGER NOT NULL CHECK (number > 0),
  address TEXT NOT NULL,
  comparison TEXT,  -- the slug of the comparison it belongs to, if it does
  PRIMARY KEY (issue, number),
  UNIQUE (issue, address)
) STRICT, WITHOUT ROWID;

-- 1: this reader wants no opens and clicks counted. Who wanted so when an audience was frozen has copies that say nothing.
ALTER TABLE subscribers ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0 CHECK (uncounted IN (0, 1));
CREATE INDEX subscribers_uncounted ON subscribers (id) WHERE uncounted = 1;
CREATE TABLE uncounted (
  issue INTEGER NOT NULL REFERENCES issues (number),
  subscriber INTEGER NOT NULL,
  PRIMARY KEY (issue, subscriber)
) STRICT, WITHOUT ROWID;

-- Every open and click, with what asked (never its address or its words) and what it was judged to be.
CREATE TABLE readings (
  issue INTEGER NOT NULL,
  copy INTEGER NOT NULL,  -- the subscriber, or a number that stands for one: see pseudonym_key
  kind INTEGER NOT NULL CHECK (kind IN (5, 6)),  -- 5 opened, 6 clicked
  link INTEGER NOT NULL,  -- of a click; 0 is the hidden one
  at INTEGER NOT NULL,    -- in milliseconds since 1970
  agent INTEGER NOT NULL, -- see tracking/agents.py
  mark INTEGER NOT NULL CHECK (mark IN (0, 1, 2)),  -- 0 unsure, 1 a person, 2 a machine
  why INTEGER NOT NULL,   -- see tracking/judging.py
  PRIMARY KEY (issue, copy, kind, link, at)
) STRICT, WITHOUT ROWID;

-- Figures -----------------------------------------------------------------------------------------------------

-- How many, for each issue: what reports read, instead of millions of rows. Those of events are kept by the triggers
-- below, those of readings and deliveries by tracking/counting.py; `digest doctor` counts all of it again.
CREATE TABLE figures (
  issue INTEGER NOT NULL,
  measure TEXT NOT NULL,           -- delivered, bounced hard, opened people, …
  part TEXT NOT NULL DEFAULT '',   -- '' for all together; or by host, hour, link, tool
  value TEXT NOT NULL DEFAULT '',  -- which of them
  count INTEGER NOT NULL,
  PRIMARY KEY (issue, measure, part, value)
) STRICT, WITHOUT ROWID;

-- What an issue's deliveries were when they were last counted into figures: see tracking/counting.py.
CREATE TABLE roll_ups (
  issue INTEGER PRIMARY KEY REFERENCES issues (number),
  stand TEXT NOT NULL,    -- its state, its last change and its open batches: where they are others, it is counted again
  made_at TEXT NOT NULL
) STRICT;

-- (the views and triggers of events are at the end of this file)

-- What providers say --------------------------------------------------------------------------------------------

-- How far each file of the spool (tracking/spool.py) is taken into the store: set in the same transaction.
CREATE TABLE spools (
  name TEXT PRIMARY KEY,
  done INTEGER NOT NULL  -- bytes
) STRICT, WITHOUT ROWID;

-- What became of calls to /hooks/…, an hour a row.
CREATE TABLE hook_counts (
  hour TEXT NOT NULL,     -- such as 2026-11-26T09
  provider TEXT NOT NULL,
  outcome TEXT NOT NULL,  -- taken, repeated, refused: why; and for each event in them: known, new, unknown, foreign
  count INTEGER NOT NULL,
  PRIMARY KEY (hour, provider, outcome)
) STRICT, WITHOUT ROWID;

-- Keys of calls that must not be taken twice, for as long as their signature may be repeated.
CREATE TABLE hook_keys (
  provider TEXT NOT NULL,
  key TEXT NOT NULL,
  digest BLOB NOT NULL,  -- of the body: another body under a known key is a forgery
  seen_at TEXT NOT NULL,
  PRIMARY KEY (provider, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX hook_keys_seen_at ON hook_keys (seen_at);

-- Events of a kind we do not know, as they came: a later version may.
CREATE TABLE unknown_events (
  id INTEGER PRIMARY KEY,
  provider TEXT NOT NULL,
  kind TEXT NOT NULL,
  raw TEXT NOT NULL,
  digest BLOB NOT NULL UNIQUE,
  received_at TEXT NOT NULL
) STRICT;

-- How many votes of a tool are ship, and how many skip: asked for with every page of it.
CREATE INDEX votes_tally ON votes (tool, verdict);

-- Growth and loss -----------------------------------------------------------------------------------------------

-- How many readers came and went, a day (UTC) a row: who became active and who ceased to be, by any way, and whose
-- address was put on the suppression list by a bounce or a complaint. Kept by triggers; who is added as an active
-- reader is counted by audience/growth.py, since a trigger took half as long again as the import of a million.
CREATE TABLE audience_days (
  day TEXT NOT NULL,
  measure TEXT NOT NULL CHECK (measure IN ('joined', 'left', 'hard bounce', 'complaint')),
  count INTEGER NOT NULL,
  PRIMARY KEY (day, measure)
) STRICT, WITHOUT ROWID;

-- Who left and who pauses, counted for reports: a million rows would have to be looked through. An import of active
-- readers writes neither.
CREATE INDEX subscribers_left ON subscribers (id) WHERE state = 'unsubscribed';
CREATE INDEX subscribers_pausing ON subscribers (paused_until, state) WHERE paused_until IS NOT NULL;

-- What we tell others -------------------------------------------------------------------------------------------

-- Addresses of programs that are told what happens (Standard Webhooks).
CREATE TABLE webhooks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: scripts name them by it
  url TEXT NOT NULL UNIQUE,
  secret BLOB NOT NULL,       -- signs: it must be kept as it is
  kinds TEXT NOT NULL,        -- JSON: what it is told of
  created_at TEXT NOT NULL,
  disabled_at TEXT,           -- since when nothing is sent to it
  trouble TEXT                -- why, or what went wrong last
) STRICT;

-- What there is to tell, put in by the transaction that made it true.
CREATE TABLE webhook_messages (
  id INTEGER PRIMARY KEY,
  webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  name TEXT NOT NULL UNIQUE,  -- the webhook-id: the same on every try
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'dead')),
  tries INTEGER NOT NULL DEFAULT 0,
  not_before TEXT NOT NULL,
  trouble TEXT,
  created_at TEXT NOT NULL,
  settled_at TEXT
) STRICT;
CREATE INDEX webhook_messages_due ON webhook_messages (not_before) WHERE state = 'queued';
CREATE INDEX webhook_messages_webhook ON webhook_messages (webhook);

-- Which weeks' summaries were mailed to the editors.
CREATE TABLE summaries (
  week TEXT PRIMARY KEY,  -- such as 2026-W48
  made_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What there was --------------------------------------------------------------------------------------------------

INSERT INTO events_0005 (issue, subscriber, kind, key, at, detail)
  SELECT issue, subscriber,
    CASE kind WHEN 'accepted' THEN 0 WHEN 'deferred' THEN 1 WHEN 'delivered' THEN 2 WHEN 'bounced' THEN 3
      WHEN 'complained' THEN 4 WHEN 'voted' THEN 7 WHEN 'unsubscribed' THEN 8 END AS number,
    CASE kind WHEN 'voted' THEN coalesce(detail, '') WHEN 'bounced' THEN 'hard' ELSE '' END AS key_,
    min(unixepoch(happened_at)),
    CASE kind WHEN 'voted' THEN NULL ELSE detail END
  FROM events WHERE kind NOT IN ('opened', 'clicked') AND unixepoch(happened_at) IS NOT NULL
  GROUP BY issue, subscriber, number, key_;
DROP TABLE events;
ALTER TABLE events_0005 RENAME TO events;

UPDATE deliveries SET host = h.host
  FROM subscribers s JOIN mailbox_hosts h ON h.domain = substr(s.email_key, instr(s.email_key, '@') + 1)
  WHERE s.id = deliveries.subscriber;

INSERT INTO audience_days (day, measure, count)
  SELECT substr(coalesce(confirmed_at, created_at), 1, 10) AS day, 'joined', count(*)
    FROM subscribers WHERE state <> 'pending' GROUP BY day
  UNION ALL SELECT substr(updated_at, 1, 10) AS day, 'left', count(*)
    FROM subscribers WHERE state = 'unsubscribed' GROUP BY day
  UNION ALL SELECT substr(x.created_at, 1, 10) AS day, x.reason, count(*)
    FROM suppressions x JOIN subscribers s ON s.email_key = x.email_key
    WHERE s.state = 'active' AND x.reason IN ('hard bounce', 'complaint') GROUP BY day, x.reason;

-- Views and triggers ----------------------------------------------------------------------------------------------

CREATE VIEW event_measures AS
  SELECT issue, subscriber, kind, key, at, CASE kind WHEN 0 THEN 'accepted' WHEN 1 THEN 'deferred' WHEN 2 THEN 'delivered'
    WHEN 3 THEN 'bounced ' || key WHEN 4 THEN 'complained' WHEN 7 THEN 'voted' WHEN 8 THEN 'unsubscribed' END AS measure
  FROM events;

-- What each event adds one to.
CREATE VIEW event_parts AS
  SELECT issue, subscriber, kind, key, measure, '' AS part, '' AS value FROM event_measures
  UNION ALL SELECT m.issue, m.subscriber, m.kind, m.key, m.measure, 'host', CAST(d.host AS TEXT)
    FROM event_measures m JOIN deliveries d ON d.issue = m.issue AND d.subscriber = m.subscriber
  UNION ALL SELECT issue, subscriber, kind, key, measure, 'hour', strftime('%Y-%m-%dT%H', at, 'unixepoch')
    FROM event_measures
  UNION ALL SELECT issue, subscriber, kind, key, measure, 'tool', key FROM event_measures WHERE kind = 7;

INSERT INTO figures (issue, measure, part, value, count)
  SELECT issue, measure, part, value, count(*) FROM event_parts GROUP BY issue, measure, part, value;

-- Deleting events takes nothing away: old ones are, and their figures stay.
CREATE TRIGGER events_counted AFTER INSERT ON events BEGIN
  INSERT INTO figures (issue, measure, part, value, count)
    SELECT issue, measure, part, value, 1 FROM event_parts
      WHERE issue = new.issue AND subscriber = new.subscriber AND kind = new.kind AND key = new.key
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER events_moving BEFORE UPDATE OF at ON events WHEN old.at <> new.at BEGIN
  UPDATE figures SET count = count - 1 FROM event_parts e
    WHERE e.issue = old.issue AND e.subscriber = old.subscriber AND e.kind = old.kind AND e.key = old.key
      AND figures.issue = e.issue AND figures.measure = e.measure AND figures.part = e.part AND figures.value = e.value;
END;
CREATE TRIGGER events_moved AFTER UPDATE OF at ON events WHEN old.at <> new.at BEGIN
  INSERT INTO figures (issue, measure, part, value, count)
    SELECT issue, measure, part, value, 1 FROM event_parts
      WHERE issue = new.issue AND subscriber = new.subscriber AND kind = new.kind AND key = new.key
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- Whose copy a number was cannot be told any more once nothing more of the issue is handed over.
CREATE TRIGGER issues_settled AFTER UPDATE OF state ON issues
  WHEN new.state IN ('sent', 'cancelled') AND new.pseudonym_key IS NOT NULL BEGIN
  UPDATE issues SET pseudonym_key = NULL WHERE number = new.number;
END;

CREATE TRIGGER subscribers_moved AFTER UPDATE OF state ON subscribers
  WHEN old.state <> new.state AND 'active' IN (old.state, new.state) BEGIN
  INSERT INTO audience_days VALUES (substr(new.updated_at, 1, 10), iif(new.state = 'active', 'joined', 'left'), 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER suppressions_counted AFTER INSERT ON suppressions
  WHEN new.reason IN ('hard bounce', 'complaint')
    AND EXISTS (SELECT 1 FROM subscribers WHERE email_key = new.email_key AND state = 'active') BEGIN
  INSERT INTO audience_days VALUES (substr(new.created_at, 1, 10), new.reason, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- What other programs are told, put in by whatever made it true. What there would be to tell a program that is switched
-- off is put in as given up, for when it is told again. An import is not told row by row: a program that wants to know of
-- it reads the API.
CREATE VIEW webhook_wishes AS
  SELECT w.id AS webhook, k.value AS kind, iif(w.disabled_at IS NULL, 'queued', 'dead') AS state
  FROM webhooks w, json_each(w.kinds) k;

CREATE TRIGGER webhooks_added AFTER INSERT ON subscribers
  WHEN new.state = 'active' AND EXISTS (SELECT 1 FROM webhooks) AND new.source NOT LIKE 'import%' BEGIN
  INSERT INTO webhook_messages (webhook, state, name, kind, body, not_before, created_at, settled_at)
    SELECT webhook, state, 'msg_' || lower(hex(randomblob(16))), kind,
      json_object('type', kind, 'timestamp', new.updated_at,
        'data', json_object('subscriber', new.id, 'email', new.email, 'name', new.name, 'source', new.source)),
      new.updated_at, new.updated_at, iif(state = 'dead', new.updated_at, NULL)
    FROM webhook_wishes WHERE kind = 'subscriber.subscribed';
END;
CREATE TRIGGER webhooks_subscribed AFTER UPDATE OF state ON subscribers
  WHEN new.state = 'active' AND old.state <> 'active' AND EXISTS (SELECT 1 FROM webhooks) BEGIN
  INSERT INTO webhook_messages (webhook, state, name, kind, body, not_before, created_at, settled_at)
    SELECT webhook, state, 'msg_' || lower(hex(randomblob(16))), kind,
      json_object('type', kind, 'timestamp', new.updated_at,
        'data', json_object('subscriber', new.id, 'email', new.email, 'name', new.name, 'source', new.source)),
      new.updated_at, new.updated_at, iif(state = 'dead', new.updated_at, NULL)
    FROM webhook_wishes WHERE kind = 'subscriber.subscribed';
END;
-- Of one who was forgotten, the number alone is told.
CREATE TRIGGER webhooks_unsubscribed AFTER UPDATE OF state ON subscribers
  WHEN new.state = 'unsubscribed' AND old.state = 'active' AND EXISTS (SELECT 1 FROM webhooks) BEGIN
  INSERT INTO webhook_messages (webhook, state, name, kind, body, not_before, created_at, settled_at)
    SELECT webhook, state, 'msg_' || lower(hex(randomblob(16))), kind,
      json_object('type', kind, 'timestamp', new.updated_at,
        'data', json_object('subscriber', new.id, 'email', nullif(new.email, ''), 'name', new.name,
          'forgotten', json(iif(new.email = '', 'true', 'false')))),
      new.updated_at, new.updated_at, iif(state = 'dead', new.updated_at, NULL)
    FROM webhook_wishes WHERE kind = 'subscriber.unsubscribed';
END;
CREATE TRIGGER webhooks_issue_sent AFTER UPDATE OF state ON issues
  WHEN new.state = 'sent' AND old.state <> 'sent' AND EXISTS (SELECT 1 FROM webhooks) BEGIN
  INSERT INTO webhook_messages (webhook, state, name, kind, body, not_before, created_at, settled_at)
    SELECT webhook, state, 'msg_' || lower(hex(randomblob(16))), kind,
      json_object('type', kind, 'timestamp', new.updated_at,
        'data', json_object('issue', new.number, 'subject', new.subject, 'sent_at', new.sent_at)),
      new.updated_at, new.updated_at, iif(state = 'dead', new.updated_at, NULL)
    FROM webhook_wishes WHERE kind = 'issue.sent';
END;
CREATE TRIGGER webhooks_bounced AFTER INSERT ON events WHEN new.kind = 3 AND EXISTS (SELECT 1 FROM webhooks) BEGIN
  INSERT INTO webhook_messages (webhook, state, name, kind, body, not_before, created_at, settled_at)
    SELECT w.webhook, w.state, 'msg_' || lower(hex(randomblob(16))), w.kind,
      json_object('type', w.kind, 'timestamp', strftime('%Y-%m-%dT%H:%M:%S.000000Z', new.at, 'unixepoch'),
        'data', json_object('issue', new.issue, 'subscriber', s.id, 'email', nullif(s.email, ''),
          'hard', json(iif(new.key = 'hard', 'true', 'false')), 'detail', new.detail)),
      strftime('%Y-%m-%dT%H:%M:%S.000000Z', new.at, 'unixepoch'),
      strftime('%Y-%m-%dT%H:%M:%S.000000Z', new.at, 'unixepoch'),
      iif(w.state = 'dead', strftime('%Y-%m-%dT%H:%M:%S.000000Z', new.at, 'unixepoch'), NULL)
    FROM webhook_wishes w, subscribers s WHERE w.kind = 'copy.bounced' AND s.id = new.subscriber;
END;
