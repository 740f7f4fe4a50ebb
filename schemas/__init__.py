"""The words: events, code tables, identifiers, the catalogue. Imports nothing of ours."""
