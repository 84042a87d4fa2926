-- Who held a lease since when, and who wants it next: `wanted_by` until `wanted_until_ms`, in which time nobody else but the
-- holder gets it. The embedded database has one process, so that nothing is wanted here.
-- Written by compare-and-swap. Crash: a wish runs out, as the lease does. Erasure: nothing personal.
ALTER TABLE lease ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN wanted_by TEXT;
ALTER TABLE lease ADD COLUMN wanted_until_ms INTEGER NOT NULL DEFAULT 0;
