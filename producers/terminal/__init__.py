"""A terminal that is no browser: its reviews are numbered, chained, spooled, and sent when the net is there."""
