"""A county that does not exist, on the catalogue of the one that does: for demonstrations and trials."""
