-- References between records, and what this node alone has seen.

-- Records that held records of an agreement cite, by issuer (a DID) and id, whether or not they are held. Written with the
-- payload that cites; what comes is looked up here, so that a record that nobody cites costs no row. Crash: as payload.
-- Erasure: stays (an id is random and never reused).
CREATE TABLE cited (
  agreement INTEGER NOT NULL,
  issuer    TEXT    NOT NULL,
  id        BLOB    NOT NULL CHECK (length(id) = 16),
  PRIMARY KEY (agreement, issuer, id)
) STRICT, WITHOUT ROWID;

-- What this node alone has seen and that no tally holds: logs with a gap, rolled back or split (rule G2). Written by pull, taken
-- away when it is settled. Crash: whole or not at all; the next round writes it again. Erasure: nothing personal.
CREATE TABLE observation (
  id        BLOB    PRIMARY KEY CHECK (length(id) = 32),
  origin    INTEGER NOT NULL,
  rule      TEXT    NOT NULL,
  severity  INTEGER NOT NULL CHECK (severity BETWEEN 1 AND 4),
  opened_ms INTEGER NOT NULL,
  json      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Entries of a log that say which of its keys are good where, or that are not understood: those with a signature of their own
-- (`key`, `erase`, `close`), and unknown ones. Written before the entries that hold them. Crash: the same rows are written again.
-- Erasure: stays, an entry names no person.
CREATE TABLE signed_entry (
  origin INTEGER NOT NULL,
  idx    INTEGER NOT NULL,
  data   BLOB    NOT NULL,
  PRIMARY KEY (origin, idx)
) STRICT, WITHOUT ROWID;
