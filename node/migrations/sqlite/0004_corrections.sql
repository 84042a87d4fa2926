-- What amends or withdraws a record, by the index of that record: `record show` and the checks of a correction ask for it.
-- Only corrections have `of_idx`, so the index is as small as they are few.
CREATE INDEX payload_by_corrected ON payload (origin, of_idx, state) WHERE of_idx IS NOT NULL;
