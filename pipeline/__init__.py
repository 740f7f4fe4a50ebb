"""The rules and the fold: from the log to the ledger."""
