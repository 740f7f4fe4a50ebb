"""What PostgreSQL must not write into its log: statements hold values of rows, and so do errors, some in their first line."""

from sqlalchemy import text

from pipeline.ledger.engine import opened_engine
from pipeline.settings import Database

UNSEEN = {
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
}
"""Settings of a server whose log holds no citizen's words and numbers."""


def revealing(database: Database) -> dict[str, str]:
    """Settings of the server that let values of rows into its log, as they should be. Blocks."""
    query = text("select name, setting from pg_settings where name = any(:names)")
    with opened_engine(database, "migrate", pool_size=1) as pool, pool.connect() as connection:
        found = {row.name: row.setting for row in connection.execute(query, {"names": list(UNSEEN)})}
    return {name: should for name, should in UNSEEN.items() if found.get(name, should) != should}
