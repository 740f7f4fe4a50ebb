"""A foreign database, polled: what is new since the last acknowledged row becomes events."""
