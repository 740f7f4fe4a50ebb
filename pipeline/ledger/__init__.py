"""The ledger: tables, migrations, the fold's reads and writes, queries."""
