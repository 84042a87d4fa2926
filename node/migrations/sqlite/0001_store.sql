-- The store of a node on SQLite. Never edited once released: later changes are later files.
--
-- Every write is one transaction in WAL mode with synchronous=FULL: after a crash a table holds all of a call or
-- nothing of it. secure_delete overwrites what is deleted; the write-ahead file may hold it until it is truncated.
-- `idx` is the 0-based index of an entry in its log, `t` is UTC seconds as in the entry, `…_ms` is ms since 1970,
-- dates are YYYY-MM-DD. Tables with millions of rows have no foreign keys: a lookup a row would be paid for a mistake
-- that the numbers, given out once and never taken back, cannot make.

-- Logs that the node keeps; number 1 is its own. Written by `init` and by the operator's `peer` commands.
-- Crash: a log is there with its head or not at all. Erasure: nothing here is personal.
CREATE TABLE origin (
  no          INTEGER PRIMARY KEY,
  origin      TEXT    NOT NULL UNIQUE,
  did         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
  ca_pem      TEXT,
  stopped     TEXT,
  reached_ms  INTEGER
) STRICT;

-- Where each log ends, and the largest verified note (own: the published one). Written by the sequencer and by pull,
-- by compare-and-swap on `size`. Crash: moves together with the entries; the note follows and may lag behind.
-- Erasure: stays.
CREATE TABLE head (
  origin    INTEGER PRIMARY KEY REFERENCES origin (no),
  size      INTEGER NOT NULL CHECK (size >= 0),
  t         INTEGER NOT NULL,
  note_size INTEGER,
  note      BLOB,
  CHECK ((note IS NULL) = (note_size IS NULL))
) STRICT;

-- Entry bundles of 256 as served; the last one is narrower and is replaced as it grows. Written with the head.
-- Crash: never longer or shorter than the head says. Erasure: stays, an entry holds a salted commitment only.
-- (No `WITHOUT ROWID`: a blob of this size would be spilled to overflow pages there.)
CREATE TABLE entry_bundle (
  origin INTEGER NOT NULL,
  idx    INTEGER NOT NULL,
  width  INTEGER NOT NULL CHECK (width BETWEEN 1 AND 256),
  body   BLOB    NOT NULL,
  PRIMARY KEY (origin, idx)
) STRICT;

-- Tiles of hashes as served; the last one of a level is narrower and is replaced as it grows. Written with the head.
-- Crash: as entry_bundle. Erasure: stays.
CREATE TABLE tile (
  origin INTEGER NOT NULL,
  level  INTEGER NOT NULL,
  idx    INTEGER NOT NULL,
  hashes BLOB    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (origin, level, idx)
) STRICT;

-- One row for each index that carries a record of an agreement of ours. Written by the sequencer (held), by the label
-- search (wanted) and by pull (what was judged). Crash: a page is there whole or not at all. Erasure: salt, codec and
-- body become null and the state says so; id, kind and index stay.
-- States: 0 wanted, 1 held, 2 pending, 3 refused, 4 withheld, 5 erased, 6 restricted, 7 invalid, 8 quarantined.
-- Kinds: 1 StudentStatus, 2 EnrollmentConnection, 3 Withdrawal.
CREATE TABLE payload (
  origin    INTEGER NOT NULL,
  idx       INTEGER NOT NULL,
  agreement INTEGER NOT NULL,
  state     INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
  reason    TEXT,
  t         INTEGER NOT NULL,
  of_idx    INTEGER,
  record_id BLOB CHECK (length(record_id) = 16),
  kind      INTEGER,
  salt      BLOB CHECK (length(salt) = 32),
  codec     INTEGER,
  body      BLOB,
  PRIMARY KEY (origin, idx),
  CHECK ((salt IS NULL) = (body IS NULL) AND (codec IS NULL) = (body IS NULL)),
  CHECK (state <> 1 OR body IS NOT NULL)
) STRICT, WITHOUT ROWID;
-- Serves pages of an agreement, and alone answers counts and digests of states.
CREATE INDEX payload_by_agreement ON payload (origin, agreement, idx, state);
-- What is still to be fetched: empty when all is there.
CREATE INDEX payload_wanted ON payload (origin, agreement, idx, state) WHERE state IN (0, 2, 4);

-- Record ids of a log, so that an id stands once in it. Written with the payload. Crash: as payload.
-- Erasure: stays (an id is random and never reused).
CREATE TABLE record_id (
  origin INTEGER NOT NULL,
  id     BLOB    NOT NULL CHECK (length(id) = 16),
  idx    INTEGER NOT NULL,
  PRIMARY KEY (origin, id)
) STRICT, WITHOUT ROWID;

-- How far a log has been searched for an agreement's label. Written with the wanted rows that were found.
-- Crash: moves with them. Erasure: nothing personal.
CREATE TABLE label_cursor (
  origin    INTEGER NOT NULL,
  agreement INTEGER NOT NULL,
  until     INTEGER NOT NULL,
  PRIMARY KEY (origin, agreement)
) STRICT, WITHOUT ROWID;

-- Cached digests of blocks of 4,096 payload states. Every writer of payload rows counts `version` up and drops the
-- digest; the reader that computed one stores it only if the version is still the one that it read.
-- Crash: absent or right. Erasure: dropped with the change of state.
CREATE TABLE state_block (
  origin    INTEGER NOT NULL,
  agreement INTEGER NOT NULL,
  block     INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  digest    BLOB CHECK (length(digest) = 32),
  PRIMARY KEY (origin, agreement, block)
) STRICT, WITHOUT ROWID;

-- Published drafts, by the index of their entry. Written by the sequencer with the entries. Crash: as the entries.
-- Erasure: stays; a draft id names no person unless the registrar's system puts one in it.
CREATE TABLE draft (
  idx       INTEGER PRIMARY KEY,
  draft_id  TEXT    NOT NULL,
  content   BLOB    NOT NULL CHECK (length(content) = 32),
  record_id BLOB    NOT NULL CHECK (length(record_id) = 16),
  leaf_hash BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
  size      INTEGER NOT NULL
) STRICT;
-- Where a draft id may stand, by the first 8 bytes of its SHA-256: small, because it is in random order.
CREATE TABLE draft_key (
  hash INTEGER NOT NULL,
  idx  INTEGER NOT NULL,
  PRIMARY KEY (hash, idx)
) STRICT, WITHOUT ROWID;
-- The newest of them. Put straight into a large table, each row in random order would dirty a page of its own in every
-- transaction. They gather here, in a table that stays small, and move over in order, many at a time.
CREATE TABLE draft_key_recent (
  hash INTEGER NOT NULL,
  idx  INTEGER NOT NULL,
  PRIMARY KEY (hash, idx)
) STRICT, WITHOUT ROWID;

-- Local numbers of agreements; all versions share one. Written when a document comes first; the two built-in ones are
-- always there. The reconciler notes its last evaluation here, and how many rows `fact_recent` has; whoever fills the
-- queue `dirty` takes its numbers from `queued`. Crash: the notes move with what they count. Erasure: nothing personal.
CREATE TABLE agreement (
  no           INTEGER PRIMARY KEY,
  id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
  as_of        TEXT,
  evaluated_ms INTEGER,
  recent       INTEGER NOT NULL DEFAULT 0,
  queued       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO agreement (no, id) VALUES
  (1, x'00000000000000000000000000000000'),
  (2, x'ffffffffffffffffffffffffffffffff');

-- Agreement documents as received. Written by the agreement commands and by pull. Crash: whole or not at all.
-- Erasure: contacts are part of what was signed and stay as long as the agreement is kept.
CREATE TABLE document (
  agreement   INTEGER NOT NULL REFERENCES agreement (no),
  version     INTEGER NOT NULL,
  digest      BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
  bytes       BLOB    NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (agreement, version)
) STRICT;

-- Verified detached proofs by document and party. Written as they are verified; the first stays.
-- Crash: whole or not at all. Erasure: nothing personal.
CREATE TABLE agreement_proof (
  digest BLOB NOT NULL REFERENCES document (digest),
  party  TEXT NOT NULL,
  proof  BLOB NOT NULL,
  PRIMARY KEY (digest, party)
) STRICT, WITHOUT ROWID;

-- Acts on agreements in all logs, also for documents that we do not hold. Written with the entries that say them.
-- Acts: 1 sign, 2 open, 3 suspend, 4 resume, 5 end, 6 linkage. Crash: as the entries. Erasure: stays.
CREATE TABLE agreement_act (
  origin  INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  digest  BLOB    NOT NULL CHECK (length(digest) = 32),
  act     INTEGER NOT NULL CHECK (act BETWEEN 1 AND 6),
  on_date TEXT,
  t       INTEGER NOT NULL,
  PRIMARY KEY (origin, idx)
) STRICT, WITHOUT ROWID;

-- Linkages: secret (32 bytes) and label key (32 bytes) of an epoch. Written once. SECRET: whoever reads it can
-- test guesses of identifiers against subject references. Crash: whole or not at all. Erasure: kept while records
-- under it are.
CREATE TABLE linkage (
  agreement INTEGER NOT NULL REFERENCES agreement (no),
  epoch     INTEGER NOT NULL,
  secret    BLOB    NOT NULL CHECK (length(secret) = 64),
  PRIMARY KEY (agreement, epoch)
) STRICT, WITHOUT ROWID;

-- Linkages sealed for a party (JSON), served to it. Written by the initiator; the first stays.
-- Crash: whole or not at all. Erasure: as linkage.
CREATE TABLE sealed_linkage (
  agreement INTEGER NOT NULL REFERENCES agreement (no),
  epoch     INTEGER NOT NULL,
  party     TEXT    NOT NULL,
  sealed    BLOB    NOT NULL,
  PRIMARY KEY (agreement, epoch, party)
) STRICT, WITHOUT ROWID;

-- Queue of keys to be evaluated, with the entry that was filed under them. Written with the payload that came; taken
-- off by the reconciler in the transaction that stores the result. Numbers are never used twice in an agreement.
-- Crash: a key waits until its evaluation is stored. Erasure: an erased entry's rows are evaluated and not filed.
CREATE TABLE dirty (
  agreement INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  key       BLOB    NOT NULL,
  origin    INTEGER NOT NULL,
  idx       INTEGER NOT NULL,
  PRIMARY KEY (agreement, seq)
) STRICT, WITHOUT ROWID;

-- Which entries are filed under a key. Written by the reconciler only, in key order. `bucket` is the first 12 bits of
-- the key's hash. Crash: as dirty: an entry is queued or filed or both. Erasure: a row without a held payload counts
-- for nothing; the erasure deletes it.
CREATE TABLE fact (
  agreement INTEGER NOT NULL,
  bucket    INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
  key       BLOB    NOT NULL,
  origin    INTEGER NOT NULL,
  idx       INTEGER NOT NULL,
  PRIMARY KEY (agreement, bucket, key, origin, idx)
) STRICT, WITHOUT ROWID;
-- The newest of them, as draft_key_recent: keys are HMACs, so each would dirty a page of its own.
CREATE TABLE fact_recent (
  agreement INTEGER NOT NULL,
  bucket    INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
  key       BLOB    NOT NULL,
  origin    INTEGER NOT NULL,
  idx       INTEGER NOT NULL,
  PRIMARY KEY (agreement, bucket, key, origin, idx)
) STRICT, WITHOUT ROWID;

-- Open findings by key. Written by the reconciler: all of a key are replaced together. `opened_ms` is kept while the
-- same finding stays open. Severities: 1 notice, 2 warning, 3 error, 4 critical.
-- Crash: as of the last stored evaluation. Erasure: evaluated anew.
CREATE TABLE finding (
  agreement INTEGER NOT NULL,
  bucket    INTEGER NOT NULL,
  key       BLOB    NOT NULL,
  id        BLOB    NOT NULL CHECK (length(id) = 32),
  rule      TEXT    NOT NULL,
  severity  INTEGER NOT NULL CHECK (severity BETWEEN 1 AND 4),
  opened_ms INTEGER NOT NULL,
  json      TEXT    NOT NULL,
  PRIMARY KEY (agreement, bucket, key, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_by_severity ON finding (severity DESC, rule, agreement, bucket, key, id);

-- Keys whose result may change by time alone, and from which date on. Written by the reconciler with the findings.
-- Crash and erasure: as finding.
CREATE TABLE due (
  agreement INTEGER NOT NULL,
  bucket    INTEGER NOT NULL,
  key       BLOB    NOT NULL,
  on_date   TEXT    NOT NULL,
  PRIMARY KEY (agreement, bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_by_date ON due (agreement, on_date, bucket, key);

-- Digest and counts of each bucket of keys. Written by the reconciler, which marks a bucket stale with every change
-- below it. Crash: stale or right. Erasure: made stale.
CREATE TABLE bucket (
  agreement INTEGER NOT NULL,
  bucket    INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
  stale     INTEGER NOT NULL CHECK (stale IN (0, 1)),
  digest    BLOB CHECK (length(digest) = 32),
  matched   INTEGER NOT NULL DEFAULT 0,
  critical  INTEGER NOT NULL DEFAULT 0,
  error     INTEGER NOT NULL DEFAULT 0,
  warning   INTEGER NOT NULL DEFAULT 0,
  notice    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (agreement, bucket)
) STRICT, WITHOUT ROWID;

-- Signed tally statements, own and of peers. Written as they are verified. Crash: whole or not at all.
-- Erasure: stays, nothing personal.
CREATE TABLE tally (
  agreement   INTEGER NOT NULL,
  as_of       TEXT    NOT NULL,
  party       INTEGER NOT NULL,
  statement   BLOB    NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (agreement, as_of, party)
) STRICT, WITHOUT ROWID;

-- The largest valid note seen of an origin, by hex SHA-256 of it. Written by witness and pull. Crash: may be the one
-- before. Erasure: nothing personal.
CREATE TABLE seen_note (
  origin_hash TEXT    PRIMARY KEY,
  size        INTEGER NOT NULL,
  note        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may write, by name. Written by compare-and-swap. `fence` grows with each new holder; a writer whose fence is no
-- longer here is refused. Crash: the lease runs out. Erasure: nothing personal.
CREATE TABLE lease (
  name     TEXT    PRIMARY KEY,
  holder   TEXT,
  fence    INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Nonces of signed requests until they expire, shared by all servers of the city. Written by the request check.
-- Crash: a nonce whose request was let in is here. Erasure: nothing personal.
CREATE TABLE nonce (
  key_id    TEXT    NOT NULL,
  nonce     BLOB    NOT NULL CHECK (length(nonce) = 16),
  expires_s INTEGER NOT NULL,
  PRIMARY KEY (key_id, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_by_expiry ON nonce (expires_s);

-- What people and the operator did, and why. Append-only. Crash: whole or not at all.
-- Erasure: stays, it names records by index or id and never a person.
CREATE TABLE audit (
  no     INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms  INTEGER NOT NULL,
  action TEXT    NOT NULL,
  reason TEXT    NOT NULL,
  detail TEXT    NOT NULL
) STRICT;
