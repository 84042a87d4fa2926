-- Smaller rows: what stands elsewhere already is not kept twice.

-- The record id of a draft is that of `payload` at its index, its leaf hash that of the entry in the bundle.
ALTER TABLE draft DROP COLUMN record_id;
ALTER TABLE draft DROP COLUMN leaf_hash;
-- A full tile of level 0 has the hashes of the entries of a full bundle, and its root stands in the tile above. Kept is the last
-- one while it is not full: a log goes on from it, and it tells when the last bundle is damaged.
DELETE FROM tile WHERE level = 0 AND length(hashes) = 8192;
