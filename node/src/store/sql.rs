//! Statements that are the same on every database, once. Parameters are `$1`, `$2`, …, which SQLite and PostgreSQL
//! both read. What differs stands in both ways where it is used (`db`).

/// All origins by number.
pub(super) const ORIGINS: &str =
    "SELECT no, origin, did, fingerprint, ca_pem, stopped, reached_ms FROM origin ORDER BY no";
/// One origin by its text.
pub(super) const ORIGIN: &str = "SELECT no, did, fingerprint FROM origin WHERE origin = $1";
/// The next origin: numbers are given out in order and never taken back.
pub(super) const ADD_ORIGIN: &str = "INSERT INTO origin (no, origin, did, fingerprint, ca_pem) \
     SELECT COALESCE(MAX(no), 0) + 1, $1, $2, $3, $4 FROM origin RETURNING no";
/// The roots to trust for an origin.
pub(super) const SET_CA: &str = "UPDATE origin SET ca_pem = $2 WHERE no = $1";
/// Why pulling has stopped.
pub(super) const SET_STOPPED: &str = "UPDATE origin SET stopped = $2 WHERE no = $1";
/// When the checkpoint was reached; never goes back.
pub(super) const SET_REACHED: &str =
    "UPDATE origin SET reached_ms = $2 WHERE no = $1 AND (reached_ms IS NULL OR reached_ms < $2)";
/// The head of an empty log.
pub(super) const ADD_HEAD: &str = "INSERT INTO head (origin, size, t) VALUES ($1, 0, 0)";
/// The DID of an origin.
pub(super) const DID: &str = "SELECT did FROM origin WHERE no = $1";
/// Origins by DID.
pub(super) const DIDS: &str = "SELECT did, no FROM origin";
/// Whether anything of an issuer is cited.
pub(super) const ANY_CITED: &str = "SELECT EXISTS (SELECT 1 FROM cited WHERE agreement = $1 AND issuer = $2)";
/// Where a log ends.
pub(super) const HEAD: &str = "SELECT size, t, note FROM head WHERE origin = $1";
/// Moves a head, if it is where the plan began.
pub(super) const MOVE_HEAD: &str = "UPDATE head SET size = $3, t = $4 WHERE origin = $1 AND size = $2";
/// Stores a note unless a larger one is there.
pub(super) const SET_NOTE: &str =
    "UPDATE head SET note_size = $2, note = $3 WHERE origin = $1 AND (note_size IS NULL OR note_size <= $2)";
/// A tile.
pub(super) const TILE: &str = "SELECT hashes FROM tile WHERE origin = $1 AND level = $2 AND idx = $3";
/// Takes a tile away that has become full: its hashes are those of the bundle.
pub(super) const DROP_TILE: &str = "DELETE FROM tile WHERE origin = $1 AND level = 0 AND idx = $2";
/// A bundle.
pub(super) const BUNDLE: &str = "SELECT width, body FROM entry_bundle WHERE origin = $1 AND idx = $2";
/// Notes an entry that says something of keys.
pub(super) const NOTE_SIGNED: &str = "INSERT INTO signed_entry (origin, idx, data) VALUES ($1, $2, $3) \
     ON CONFLICT (origin, idx) DO UPDATE SET data = excluded.data";
/// Those that were noted at some indexes.
pub(super) const NOTED: &str =
    "SELECT idx, data FROM signed_entry WHERE origin = $1 AND idx >= $2 AND idx < $3 ORDER BY idx";
/// Forgets one of them.
pub(super) const FORGET_NOTED: &str = "DELETE FROM signed_entry WHERE origin = $1 AND idx = $2";
/// Those of a log, as far as it is held.
pub(super) const SIGNED: &str = "SELECT s.idx, s.data FROM signed_entry s JOIN head h ON h.origin = s.origin \
     WHERE s.origin = $1 AND s.idx < h.size ORDER BY s.idx";
/// The first acts of a log on a document.
pub(super) const ACTS: &str = "SELECT origin, idx, digest, act, on_date, t FROM agreement_act \
     WHERE digest = $1 AND origin = $2 ORDER BY idx LIMIT $3";

/// The search cursor of an agreement's label.
pub(super) const LABEL_CURSOR: &str = "SELECT until FROM label_cursor WHERE origin = $1 AND agreement = $2";
/// Moves the search cursor.
pub(super) const SET_LABEL_CURSOR: &str = "INSERT INTO label_cursor (origin, agreement, until) VALUES ($1, $2, $3) \
     ON CONFLICT (origin, agreement) DO UPDATE SET until = excluded.until";
/// One row.
pub(super) const ROW: &str = "SELECT idx, agreement, state, reason, t, of_idx, record_id, kind, salt, codec, body \
     FROM payload WHERE origin = $1 AND idx = $2";
/// Number of rows by state, in the order of their numbers: one pass without a sort.
pub(super) const STATE_COUNTS: &str = "SELECT COUNT(*) FILTER (WHERE state = 0), COUNT(*) FILTER (WHERE state = 1), \
     COUNT(*) FILTER (WHERE state = 2), COUNT(*) FILTER (WHERE state = 3), COUNT(*) FILTER (WHERE state = 4), \
     COUNT(*) FILTER (WHERE state = 5), COUNT(*) FILTER (WHERE state = 6), COUNT(*) FILTER (WHERE state = 7), \
     COUNT(*) FILTER (WHERE state = 8) FROM payload WHERE origin = $1 AND agreement = $2";
/// States of a range of indexes.
pub(super) const STATES: &str =
    "SELECT idx, state FROM payload WHERE origin = $1 AND agreement = $2 AND idx >= $3 AND idx < $4 ORDER BY idx";
/// Cached block digests.
pub(super) const STATE_BLOCKS: &str =
    "SELECT block, version, digest FROM state_block WHERE origin = $1 AND agreement = $2 AND block < $3";

/// Number of an agreement id.
pub(super) const AGREEMENT: &str = "SELECT no FROM agreement WHERE id = $1";
/// The next agreement.
pub(super) const ADD_AGREEMENT: &str =
    "INSERT INTO agreement (no, id) SELECT COALESCE(MAX(no), 0) + 1, $1 FROM agreement RETURNING no";
/// Digest of a document.
pub(super) const DOCUMENT_DIGEST: &str = "SELECT digest FROM document WHERE agreement = $1 AND version = $2";
/// Stores a document.
pub(super) const ADD_DOCUMENT: &str =
    "INSERT INTO document (agreement, version, digest, bytes, received_ms) VALUES ($1, $2, $3, $4, $5)";
/// All documents.
pub(super) const DOCUMENTS: &str = "SELECT d.agreement, a.id, d.version, d.digest, d.bytes, d.received_ms \
     FROM document d JOIN agreement a ON a.no = d.agreement ORDER BY d.agreement, d.version";
/// Stores a proof; the first stays.
pub(super) const ADD_PROOF: &str =
    "INSERT INTO agreement_proof (digest, party, proof) VALUES ($1, $2, $3) ON CONFLICT (digest, party) DO NOTHING";
/// Proofs of a document.
pub(super) const PROOFS: &str = "SELECT party, proof FROM agreement_proof WHERE digest = $1 ORDER BY party";
/// Stores a linkage; the first stays.
pub(super) const ADD_LINKAGE: &str =
    "INSERT INTO linkage (agreement, epoch, secret) VALUES ($1, $2, $3) ON CONFLICT (agreement, epoch) DO NOTHING";
/// The linkage of an epoch.
pub(super) const LINKAGE: &str = "SELECT secret FROM linkage WHERE agreement = $1 AND epoch = $2";
/// Linkages of an agreement.
pub(super) const LINKAGES: &str = "SELECT epoch, secret FROM linkage WHERE agreement = $1 ORDER BY epoch";
/// Stores a sealed linkage; the first stays.
pub(super) const ADD_SEALED: &str = "INSERT INTO sealed_linkage (agreement, epoch, party, sealed) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (agreement, epoch, party) DO NOTHING";
/// The sealed linkage of a party.
pub(super) const SEALED: &str = "SELECT sealed FROM sealed_linkage WHERE agreement = $1 AND epoch = $2 AND party = $3";

/// Takes numbers for the queue: the last of them.
pub(super) const QUEUE: &str = "UPDATE agreement SET queued = queued + $2 WHERE no = $1 RETURNING queued";
/// Takes a run of numbers off the queue.
pub(super) const DEQUEUE: &str = "DELETE FROM dirty WHERE agreement = $1 AND seq >= $2 AND seq <= $3";
/// Locks an agreement, where there is more than one writer: whoever fills or empties its queue, or gives out a number. (For the
/// latter it is the row of `public`, which is always there.)
pub(super) const LOCK_AGREEMENT: &str = "SELECT no FROM agreement WHERE no = $1 FOR UPDATE";
/// Locks a log, where there is more than one writer: whoever writes its entries or payloads. Taken before any agreement.
pub(super) const LOCK_HEAD: &str = "SELECT origin FROM head WHERE origin = $1 FOR UPDATE";
/// The oldest queued keys.
pub(super) const DIRTY: &str = "SELECT seq, key, origin, idx FROM dirty WHERE agreement = $1 ORDER BY seq LIMIT $2";
/// Length of the queue.
pub(super) const DIRTY_COUNT: &str = "SELECT COUNT(*) FROM dirty";
/// Notes an evaluation and counts what was filed since the last merge.
pub(super) const NOTE_EVALUATION: &str = "UPDATE agreement SET as_of = $2, evaluated_ms = $3, recent = recent + $4 \
     WHERE no = $1 RETURNING recent";
/// Nothing is waiting to be merged.
pub(super) const MERGED: &str = "UPDATE agreement SET recent = 0 WHERE no = $1";
/// Keys whose result may change by a date.
pub(super) const DUE: &str = "SELECT key FROM due WHERE agreement = $1 AND on_date <= $2 \
     ORDER BY on_date, bucket, key LIMIT $3";
/// Findings of a bucket.
pub(super) const BUCKET_FINDINGS: &str =
    "SELECT key, json FROM finding WHERE agreement = $1 AND bucket = $2 ORDER BY key, id";
/// Buckets to be computed.
pub(super) const STALE_BUCKETS: &str = "SELECT bucket FROM bucket WHERE agreement = $1 AND stale = 1 ORDER BY bucket";
/// Computed buckets.
pub(super) const BUCKETS: &str = "SELECT bucket, digest, matched, critical, error, warning, notice \
     FROM bucket WHERE agreement = $1 AND digest IS NOT NULL ORDER BY bucket";
/// Findings, gravest first.
pub(super) const FINDINGS: &str = "SELECT agreement, key, json FROM finding \
     WHERE ($1 IS NULL OR agreement = $1) AND ($2 IS NULL OR rule = $2) \
     ORDER BY severity DESC, rule, agreement, bucket, key, id LIMIT $3 OFFSET $4";
/// Findings with an id.
pub(super) const FINDINGS_WITH_ID: &str =
    "SELECT agreement, key, json FROM finding WHERE id = $1 ORDER BY agreement, bucket, key";
/// Number of findings.
pub(super) const FINDING_COUNTS: &str = "SELECT agreement, rule, severity, COUNT(*) FROM finding \
     GROUP BY agreement, rule, severity ORDER BY agreement, severity DESC, rule";
/// Notes an observation; the first stays.
pub(super) const OBSERVE: &str = "INSERT INTO observation (id, origin, rule, severity, opened_ms, json) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
/// Takes the observations of an origin away.
pub(super) const SETTLE: &str = "DELETE FROM observation WHERE origin = $1";
/// Observations, gravest first: a few at most.
pub(super) const OBSERVATIONS: &str =
    "SELECT json FROM observation WHERE $1 IS NULL OR rule = $1 ORDER BY severity DESC, rule, id";
/// Stores a tally statement.
pub(super) const ADD_TALLY: &str = "INSERT INTO tally (agreement, as_of, party, statement, received_ms) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (agreement, as_of, party) \
     DO UPDATE SET statement = excluded.statement, received_ms = excluded.received_ms";
/// Tally statements, newest first.
pub(super) const TALLIES: &str =
    "SELECT as_of, party, statement FROM tally WHERE agreement = $1 ORDER BY as_of DESC, party LIMIT $2";

/// Takes or renews a lease: by its holder always, by another only when it is given back or has run out, and when nobody else
/// wants it next.
pub(super) const LEASE: &str = "INSERT INTO lease (name, holder, fence, until_ms, since_ms) VALUES ($1, $2, 1, $3, $4) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms, \
     fence = CASE WHEN lease.holder = excluded.holder THEN lease.fence ELSE lease.fence + 1 END, \
     since_ms = CASE WHEN lease.holder = excluded.holder THEN lease.since_ms ELSE excluded.since_ms END, \
     wanted_by = CASE WHEN lease.holder = excluded.holder THEN lease.wanted_by END \
     WHERE lease.holder = excluded.holder OR (lease.holder IS NULL OR lease.until_ms <= $4) \
     AND (lease.wanted_by IS NULL OR lease.wanted_by = excluded.holder OR lease.wanted_until_ms <= $4) RETURNING fence";
/// Notes who wants a lease next.
pub(super) const WANT: &str = "UPDATE lease SET wanted_by = $2, wanted_until_ms = $3 \
     WHERE name = $1 AND (holder IS NULL OR holder <> $2) \
     AND (wanted_by IS NULL OR wanted_by = $2 OR wanted_until_ms <= $4)";
/// Leases whose names begin so.
pub(super) const LEASES: &str = "SELECT name, holder, fence, until_ms, since_ms, wanted_by, wanted_until_ms FROM lease \
     WHERE substr(name, 1, length($1)) = $1 ORDER BY name";
/// Rows of which the registry is made, acts by the index of their digests: none is ever taken away.
pub(super) const REGISTRY_VERSION: &str = "SELECT (SELECT COUNT(*) FROM origin) + (SELECT COUNT(*) FROM document) \
     + (SELECT COUNT(*) FROM agreement_proof) + (SELECT COUNT(*) FROM linkage) \
     + (SELECT CAST(COALESCE(SUM((SELECT COUNT(*) FROM agreement_act a WHERE a.digest = document.digest)), 0) AS bigint) FROM document)";
/// Gives a lease back. The fence stays, so that the next holder's is larger.
pub(super) const RELEASE: &str = "UPDATE lease SET holder = NULL WHERE name = $1 AND holder = $2";
/// Notes a nonce.
pub(super) const USE_NONCE: &str =
    "INSERT INTO nonce (key_id, nonce, expires_s) VALUES ($1, $2, $3) ON CONFLICT (key_id, nonce) DO NOTHING";
/// The largest note seen.
pub(super) const SEEN_NOTE: &str = "SELECT note FROM seen_note WHERE origin_hash = $1";
/// Stores a larger note.
pub(super) const ADD_SEEN_NOTE: &str = "INSERT INTO seen_note (origin_hash, size, note) VALUES ($1, $2, $3) \
     ON CONFLICT (origin_hash) DO UPDATE SET size = excluded.size, note = excluded.note \
     WHERE excluded.size > seen_note.size";
/// Stores a token.
pub(super) const ADD_TOKEN: &str = "INSERT INTO token (hash, name, actions, agreements, created_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING no";
/// A token by its hash.
pub(super) const TOKEN: &str = "SELECT no, name, actions, agreements, created_ms, expires_ms, revoked_ms, used_ms, hash \
     FROM token WHERE hash = $1";
/// All tokens.
pub(super) const TOKENS: &str = "SELECT no, name, actions, agreements, created_ms, expires_ms, revoked_ms, used_ms \
     FROM token ORDER BY no";
/// Revokes a token; the first time stays.
pub(super) const REVOKE_TOKEN: &str = "UPDATE token SET revoked_ms = COALESCE(revoked_ms, $2) WHERE no = $1";
/// Notes the last use of a token.
pub(super) const USE_TOKEN: &str = "UPDATE token SET used_ms = $2 WHERE no = $1";
/// Writes to the audit.
pub(super) const AUDIT: &str = "INSERT INTO audit (at_ms, action, reason, detail) VALUES ($1, $2, $3, $4)";
/// The audit, newest first.
pub(super) const AUDITS: &str = "SELECT at_ms, action, reason, detail FROM audit ORDER BY no DESC LIMIT $1";
