-- Who held a lease since when, and who wants it next: `wanted_by` until `wanted_until_ms`, in which time nobody else but the
-- holder gets it. Servers of one city hand the right to append to each other that way.
-- Written by compare-and-swap. Crash: a wish runs out, as the lease does. Erasure: nothing personal.
ALTER TABLE lease ADD COLUMN since_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN wanted_by text COLLATE "C";
ALTER TABLE lease ADD COLUMN wanted_until_ms bigint NOT NULL DEFAULT 0;
