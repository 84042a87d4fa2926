-- The store of a node on PostgreSQL. Never edited once released: later changes are later files.
--
-- The tables are those of the embedded database (migrations/sqlite), which tell more of why they are as they are. Columns are
-- numbers, texts and blobs only, so that one set of statements serves both; texts are compared by their bytes (COLLATE "C").
--
-- Every write is one transaction, committed to disk before it is acknowledged: after a crash a table holds all of a call or
-- nothing of it. What is overwritten or deleted stays in dead rows: an erasure ends with `VACUUM (FULL) payload`, which writes the
-- table anew (a plain VACUUM frees the space and leaves the bytes in it). The write-ahead log, its archive, standbys and backups
-- are the operator's to let expire.
--
-- `idx` is the 0-based index of an entry in its log, `t` is UTC seconds as in the entry, `…_ms` is ms since 1970, dates are
-- YYYY-MM-DD. Tables with millions of rows have no foreign keys, as on SQLite.
--
-- STORAGE EXTERNAL: bodies are compressed already and hashes cannot be, so PostgreSQL is not to try.

-- Logs that the node keeps; number 1 is its own. Written by `init` and by the operator's `peer` commands; `ca_pem`, `stopped`,
-- `reached_ms` by pull. Crash: a log is there with its head or not at all. Erasure: nothing here is personal.
CREATE TABLE origin (
  no          bigint PRIMARY KEY,
  origin      text COLLATE "C" NOT NULL UNIQUE,
  did         text COLLATE "C" NOT NULL,
  fingerprint bytea  NOT NULL CHECK (length(fingerprint) = 32),
  ca_pem      text,
  stopped     text,
  reached_ms  bigint
);

-- Where each log ends, and the largest verified note (own: the published one). Written by the sequencer and by pull, by
-- compare-and-swap on `size`; whoever writes entries or payloads of a log locks its row here first. Crash: moves together with the
-- entries; the note follows and may lag behind. Erasure: stays.
CREATE TABLE head (
  origin    bigint PRIMARY KEY REFERENCES origin (no),
  size      bigint NOT NULL CHECK (size >= 0),
  t         bigint NOT NULL,
  note_size bigint,
  note      bytea,
  CHECK ((note IS NULL) = (note_size IS NULL))
) WITH (fillfactor = 50);

-- Entry bundles of 256 as served; the last one is narrower and is replaced as it grows. Written with the head.
-- Crash: never longer or shorter than the head says. Erasure: stays, an entry holds a salted commitment only.
CREATE TABLE entry_bundle (
  origin bigint NOT NULL,
  idx    bigint NOT NULL,
  width  bigint NOT NULL CHECK (width BETWEEN 1 AND 256),
  body   bytea  NOT NULL,
  PRIMARY KEY (origin, idx)
);
ALTER TABLE entry_bundle ALTER COLUMN body SET STORAGE EXTERNAL;

-- Tiles of hashes as served; the last one of a level is narrower and is replaced as it grows. Written with the head.
-- Crash: as entry_bundle. Erasure: stays.
CREATE TABLE tile (
  origin bigint NOT NULL,
  level  bigint NOT NULL,
  idx    bigint NOT NULL,
  hashes bytea  NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (origin, level, idx)
);
ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- One row for each index that carries a record of an agreement of ours. Written by the sequencer (held), by the label search
-- (wanted) and by pull (what was judged). Crash: a page is there whole or not at all. Erasure: salt, codec and body become null and
-- the state says so; id, kind and index stay; the dead row goes with `VACUUM (FULL) payload`.
-- States: 0 wanted, 1 held, 2 pending, 3 refused, 4 withheld, 5 erased, 6 restricted, 7 invalid, 8 quarantined.
-- Kinds: 1 StudentStatus, 2 EnrollmentConnection, 3 Withdrawal, 4 QualificationRecognition.
-- (toast_tuple_target: a body of up to 8 kB stays in its row instead of a second table; writing is twice as fast.)
CREATE TABLE payload (
  origin    bigint NOT NULL,
  idx       bigint NOT NULL,
  agreement bigint NOT NULL,
  state     bigint NOT NULL CHECK (state BETWEEN 0 AND 8),
  reason    text,
  t         bigint NOT NULL,
  of_idx    bigint,
  record_id bytea CHECK (length(record_id) = 16),
  kind      bigint,
  salt      bytea CHECK (length(salt) = 32),
  codec     bigint,
  body      bytea,
  PRIMARY KEY (origin, idx),
  CHECK ((salt IS NULL) = (body IS NULL) AND (codec IS NULL) = (body IS NULL)),
  CHECK (state <> 1 OR body IS NOT NULL)
) WITH (toast_tuple_target = 8160);
ALTER TABLE payload ALTER COLUMN body SET STORAGE EXTERNAL;
-- Serves pages of an agreement, and alone answers counts and digests of states.
CREATE INDEX payload_by_agreement ON payload (origin, agreement, idx, state);
-- What is still to be fetched: empty when all is there.
CREATE INDEX payload_wanted ON payload (origin, agreement, idx, state) WHERE state IN (0, 2, 4);
-- What amends or withdraws a record, by the index of that record. Only corrections have `of_idx`.
CREATE INDEX payload_by_corrected ON payload (origin, of_idx, state) WHERE of_idx IS NOT NULL;

-- Record ids of a log, so that an id stands once in it. Written with the payload. Crash: as payload.
-- Erasure: stays (an id is random and never reused).
CREATE TABLE record_id (
  origin bigint NOT NULL,
  id     bytea  NOT NULL CHECK (length(id) = 16),
  idx    bigint NOT NULL,
  PRIMARY KEY (origin, id)
);

-- How far a log has been searched for an agreement's label. Written with the wanted rows that were found.
-- Crash: moves with them. Erasure: nothing personal.
CREATE TABLE label_cursor (
  origin    bigint NOT NULL,
  agreement bigint NOT NULL,
  until     bigint NOT NULL,
  PRIMARY KEY (origin, agreement)
);

-- Cached digests of blocks of 4,096 payload states. Every writer of payload rows counts `version` up and drops the digest; the
-- reader that computed one stores it only if the version is still the one that it read. Crash: absent or right.
-- Erasure: dropped with the change of state.
CREATE TABLE state_block (
  origin    bigint NOT NULL,
  agreement bigint NOT NULL,
  block     bigint NOT NULL,
  version   bigint NOT NULL,
  digest    bytea CHECK (length(digest) = 32),
  PRIMARY KEY (origin, agreement, block)
) WITH (fillfactor = 50);

-- Published drafts, by the index of their entry. Written by the sequencer with the entries. Crash: as the entries.
-- Erasure: stays; a draft id names no person unless the registrar's system puts one in it.
CREATE TABLE draft (
  idx       bigint PRIMARY KEY,
  draft_id  text COLLATE "C" NOT NULL,
  content   bytea  NOT NULL CHECK (length(content) = 32),
  record_id bytea  NOT NULL CHECK (length(record_id) = 16),
  leaf_hash bytea  NOT NULL CHECK (length(leaf_hash) = 32),
  size      bigint NOT NULL
);
-- Where a draft id may stand, by the first 8 bytes of its SHA-256: small, because it is in random order.
CREATE TABLE draft_key (
  hash bigint NOT NULL,
  idx  bigint NOT NULL,
  PRIMARY KEY (hash, idx)
);
-- The newest of them, which move over in order, many at a time.
CREATE TABLE draft_key_recent (
  hash bigint NOT NULL,
  idx  bigint NOT NULL,
  PRIMARY KEY (hash, idx)
);

-- Local numbers of agreements; all versions share one. Written when a document comes first; the two built-in ones are always
-- there. The reconciler notes its last evaluation here, and how many rows `fact_recent` has; whoever fills the queue `dirty`
-- takes its numbers from `queued`. Whoever fills or empties the queue locks its row here; whoever gives out a number of any table
-- locks row 1. Crash: the notes move with what they count. Erasure: nothing personal.
CREATE TABLE agreement (
  no           bigint PRIMARY KEY,
  id           bytea  NOT NULL UNIQUE CHECK (length(id) = 16),
  as_of        text COLLATE "C",
  evaluated_ms bigint,
  recent       bigint NOT NULL DEFAULT 0,
  queued       bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO agreement (no, id) VALUES
  (1, '\x00000000000000000000000000000000'),
  (2, '\xffffffffffffffffffffffffffffffff');

-- Agreement documents as received. Written by the agreement commands and by pull. Crash: whole or not at all.
-- Erasure: contacts are part of what was signed and stay as long as the agreement is kept.
CREATE TABLE document (
  agreement   bigint NOT NULL REFERENCES agreement (no),
  version     bigint NOT NULL,
  digest      bytea  NOT NULL UNIQUE CHECK (length(digest) = 32),
  bytes       bytea  NOT NULL,
  received_ms bigint NOT NULL,
  PRIMARY KEY (agreement, version)
);

-- Verified detached proofs by document and party. Written as they are verified; the first stays.
-- Crash: whole or not at all. Erasure: nothing personal.
CREATE TABLE agreement_proof (
  digest bytea NOT NULL REFERENCES document (digest),
  party  text COLLATE "C" NOT NULL,
  proof  bytea NOT NULL,
  PRIMARY KEY (digest, party)
);

-- Acts on agreements in all logs, also for documents that we do not hold. Written with the entries that say them.
-- Acts: 1 sign, 2 open, 3 suspend, 4 resume, 5 end, 6 linkage. Crash: as the entries. Erasure: stays.
CREATE TABLE agreement_act (
  origin  bigint NOT NULL,
  idx     bigint NOT NULL,
  digest  bytea  NOT NULL CHECK (length(digest) = 32),
  act     bigint NOT NULL CHECK (act BETWEEN 1 AND 6),
  on_date text COLLATE "C",
  t       bigint NOT NULL,
  PRIMARY KEY (origin, idx)
);

-- Linkages: secret (32 bytes) and label key (32 bytes) of an epoch. Written once. SECRET: whoever reads it can test guesses of
-- identifiers against subject references. Crash: whole or not at all. Erasure: kept while records under it are.
CREATE TABLE linkage (
  agreement bigint NOT NULL REFERENCES agreement (no),
  epoch     bigint NOT NULL,
  secret    bytea  NOT NULL CHECK (length(secret) = 64),
  PRIMARY KEY (agreement, epoch)
);

-- Linkages sealed for a party (JSON), served to it. Written by the initiator; the first stays.
-- Crash: whole or not at all. Erasure: as linkage.
CREATE TABLE sealed_linkage (
  agreement bigint NOT NULL REFERENCES agreement (no),
  epoch     bigint NOT NULL,
  party     text COLLATE "C" NOT NULL,
  sealed    bytea  NOT NULL,
  PRIMARY KEY (agreement, epoch, party)
);

-- Queue of keys to be evaluated, with the entry that was filed under them. Written with the payload that came; taken off by the
-- reconciler in the transaction that stores the result. Numbers are never used twice in an agreement.
-- Crash: a key waits until its evaluation is stored. Erasure: an erased entry's rows are evaluated and not filed.
CREATE TABLE dirty (
  agreement bigint NOT NULL,
  seq       bigint NOT NULL,
  key       bytea  NOT NULL,
  origin    bigint NOT NULL,
  idx       bigint NOT NULL,
  PRIMARY KEY (agreement, seq)
);

-- Which entries are filed under a key. Written by the reconciler only, in key order. `bucket` is the first 12 bits of the key's
-- hash. Crash: as dirty: an entry is queued or filed or both. Erasure: a row without a held payload counts for nothing; the
-- erasure deletes it.
CREATE TABLE fact (
  agreement bigint NOT NULL,
  bucket    bigint NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
  key       bytea  NOT NULL,
  origin    bigint NOT NULL,
  idx       bigint NOT NULL,
  PRIMARY KEY (agreement, bucket, key, origin, idx)
);
-- The newest of them, which move over in order, many at a time.
CREATE TABLE fact_recent (
  agreement bigint NOT NULL,
  bucket    bigint NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
  key       bytea  NOT NULL,
  origin    bigint NOT NULL,
  idx       bigint NOT NULL,
  PRIMARY KEY (agreement, bucket, key, origin, idx)
);

-- Open findings by key. Written by the reconciler: all of a key are replaced together. `opened_ms` is kept while the same finding
-- stays open. Severities: 1 notice, 2 warning, 3 error, 4 critical.
-- Crash: as of the last stored evaluation. Erasure: evaluated anew.
CREATE TABLE finding (
  agreement bigint NOT NULL,
  bucket    bigint NOT NULL,
  key       bytea  NOT NULL,
  id        bytea  NOT NULL CHECK (length(id) = 32),
  rule      text COLLATE "C" NOT NULL,
  severity  bigint NOT NULL CHECK (severity BETWEEN 1 AND 4),
  opened_ms bigint NOT NULL,
  json      text   NOT NULL,
  PRIMARY KEY (agreement, bucket, key, id)
);
CREATE INDEX finding_by_severity ON finding (severity DESC, rule, agreement, bucket, key, id);
CREATE INDEX finding_by_id ON finding (id);

-- Keys whose result may change by time alone, and from which date on. Written by the reconciler with the findings.
-- Crash and erasure: as finding.
CREATE TABLE due (
  agreement bigint NOT NULL,
  bucket    bigint NOT NULL,
  key       bytea  NOT NULL,
  on_date   text COLLATE "C" NOT NULL,
  PRIMARY KEY (agreement, bucket, key)
);
CREATE INDEX due_by_date ON due (agreement, on_date, bucket, key);

-- Digest and counts of each bucket of keys. Written by the reconciler, which marks a bucket stale with every change below it.
-- Crash: stale or right. Erasure: made stale.
CREATE TABLE bucket (
  agreement bigint NOT NULL,
  bucket    bigint NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
  stale     bigint NOT NULL CHECK (stale IN (0, 1)),
  digest    bytea CHECK (length(digest) = 32),
  matched   bigint NOT NULL DEFAULT 0,
  critical  bigint NOT NULL DEFAULT 0,
  error     bigint NOT NULL DEFAULT 0,
  warning   bigint NOT NULL DEFAULT 0,
  notice    bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (agreement, bucket)
) WITH (fillfactor = 50);

-- Signed tally statements, own and of peers. Written as they are verified. Crash: whole or not at all.
-- Erasure: stays, nothing personal.
CREATE TABLE tally (
  agreement   bigint NOT NULL,
  as_of       text COLLATE "C" NOT NULL,
  party       bigint NOT NULL,
  statement   bytea  NOT NULL,
  received_ms bigint NOT NULL,
  PRIMARY KEY (agreement, as_of, party)
);

-- The largest valid note seen of an origin, by hex SHA-256 of it. Written by witness and pull. Crash: may be the one before.
-- Erasure: nothing personal.
CREATE TABLE seen_note (
  origin_hash text COLLATE "C" PRIMARY KEY,
  size        bigint NOT NULL,
  note        bytea  NOT NULL
);

-- Who may write, by name. Written by compare-and-swap. `fence` grows with each new holder; a writer whose fence is no longer here
-- is refused: it locks the row while it writes, so that nobody takes over in between. Crash: the lease runs out.
-- Erasure: nothing personal.
CREATE TABLE lease (
  name     text COLLATE "C" PRIMARY KEY,
  holder   text COLLATE "C",
  fence    bigint NOT NULL,
  until_ms bigint NOT NULL
) WITH (fillfactor = 50);

-- Nonces of signed requests until they expire, shared by all servers of the city. Written by the request check.
-- Crash: a nonce whose request was let in is here. Erasure: nothing personal.
CREATE TABLE nonce (
  key_id    text COLLATE "C" NOT NULL,
  nonce     bytea  NOT NULL CHECK (length(nonce) = 16),
  expires_s bigint NOT NULL,
  PRIMARY KEY (key_id, nonce)
);
CREATE INDEX nonce_by_expiry ON nonce (expires_s);

-- What people and the operator did, and why. Append-only. Crash: whole or not at all.
-- Erasure: stays, it names records by index or id and never a person.
CREATE TABLE audit (
  no     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at_ms  bigint NOT NULL,
  action text   NOT NULL,
  reason text   NOT NULL,
  detail text   NOT NULL
);

-- Records that held records of an agreement cite, by issuer (a DID) and id, whether or not they are held. Written with the payload
-- that cites; what comes is looked up here, so that a record that nobody cites costs no row. Crash: as payload.
-- Erasure: stays (an id is random and never reused).
CREATE TABLE cited (
  agreement bigint NOT NULL,
  issuer    text COLLATE "C" NOT NULL,
  id        bytea  NOT NULL CHECK (length(id) = 16),
  PRIMARY KEY (agreement, issuer, id)
);

-- What this node alone has seen and that no tally holds: logs with a gap, rolled back or split (rule G2). Written by pull, taken
-- away when it is settled. Crash: whole or not at all; the next round writes it again. Erasure: nothing personal.
CREATE TABLE observation (
  id        bytea  PRIMARY KEY CHECK (length(id) = 32),
  origin    bigint NOT NULL,
  rule      text COLLATE "C" NOT NULL,
  severity  bigint NOT NULL CHECK (severity BETWEEN 1 AND 4),
  opened_ms bigint NOT NULL,
  json      text   NOT NULL
);

-- Entries of a log that say which of its keys are good where, or that are not understood: those with a signature of their own
-- (`key`, `erase`, `close`), and unknown ones. Written before the entries that hold them. Crash: the same rows are written again.
-- Erasure: stays, an entry names no person.
CREATE TABLE signed_entry (
  origin bigint NOT NULL,
  idx    bigint NOT NULL,
  data   bytea  NOT NULL,
  PRIMARY KEY (origin, idx)
);

-- Tokens of local systems. Written by the operator's `token` commands; `used_ms` by the check of a request, at most once a minute.
-- The token itself is nowhere: `hash` is its SHA-256. `actions` are codes and `agreements` UUIDs, separated by commas; no
-- agreements: all of them. A revoked one stays, so that a number never means another system.
-- Crash: whole or not at all; the last use may be lost. Erasure: nothing personal, unless the operator puts it in a name.
CREATE TABLE token (
  no         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hash       bytea  NOT NULL UNIQUE CHECK (length(hash) = 32),
  name       text   NOT NULL,
  actions    text   NOT NULL,
  agreements text,
  created_ms bigint NOT NULL,
  expires_ms bigint NOT NULL,
  revoked_ms bigint,
  used_ms    bigint
);
