-- Tokens of local systems. Written by the operator's `token` commands; `used_ms` by the check of a request, at most once
-- a minute. The token itself is nowhere: `hash` is its SHA-256. `actions` are codes and `agreements` UUIDs, separated by
-- commas; no agreements: all of them. A revoked one stays, so that a number never means another system.
-- Crash: whole or not at all; the last use may be lost. Erasure: nothing personal, unless the operator puts it in a name.
CREATE TABLE token (
  no         INTEGER PRIMARY KEY AUTOINCREMENT,
  hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
  name       TEXT    NOT NULL,
  actions    TEXT    NOT NULL,
  agreements TEXT,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  revoked_ms INTEGER,
  used_ms    INTEGER
) STRICT;

-- A finding by its id, for whoever keeps ids. Written with the finding.
CREATE INDEX finding_by_id ON finding (id);
