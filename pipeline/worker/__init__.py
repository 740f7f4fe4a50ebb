"""The Faust worker: portions of the log in, transactions of the ledger out."""
