-- The acts of a city on one document, in the order of its log: a city may act on any number of documents that nobody here knows.
CREATE INDEX agreement_act_by_digest ON agreement_act (digest, origin, idx);
