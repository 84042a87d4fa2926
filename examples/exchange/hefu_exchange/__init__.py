"""Converts exchange documents of other systems (Erasmus Without Paper, ELMO) into drafts of Hefu records."""
