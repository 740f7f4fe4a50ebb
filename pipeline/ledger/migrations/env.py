"""Alembic runs this: the connection comes from `pipeline.ledger.migrate`, in whose transaction everything happens."""

from alembic import context
from sqlalchemy import text

config = context.config
connection = config.attributes["connection"]
schema = config.attributes["ledger_schema"]

connection.execute(text("create schema if not exists office"))
connection.execute(text(f"create schema if not exists {schema}"))
context.configure(connection=connection, version_table_schema="office", transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
