"""The spool's database: its tables, and how a connection to it is set."""

import sqlite3
from pathlib import Path

FILE = "spool.db"
JOURNAL = "spool.db-wal"
PAGE_BYTES = 4096
WAL_PAGES = 1_000
"""After so many pages the journal is written back into the database: 4 MB, some ten milliseconds on a local disk."""
BUSY_SECONDS = 10.0

TABLES = """
begin;
create table if not exists record (
    seq integer primary key, event_id text not null, digest text not null, received integer not null,
    packed blob not null, crc integer not null);
create unique index if not exists record_event on record (event_id, digest);
create table if not exists run (last integer primary key, first integer not null, sent integer not null);
create table if not exists refused (seq integer primary key, reason text not null, at integer not null);
create table if not exists place (one integer primary key check (one = 1), seq integer not null, crc integer not null);
create table if not exists nonce (id integer primary key, nonce text not null, at integer not null);
create table if not exists once (
    id integer primary key, key text not null unique, event_id text not null, digest text not null);
create table if not exists probe (one integer primary key check (one = 1), at integer not null);
insert or ignore into place values (1, 0, 0);
commit;
"""
"""Rows of `record` never change. Everything up to `place` is sent (or refused), `run` says when; the rest waits.
`probe` means nothing: it is written to see whether the disk takes it.

A wrong place would make rows that wait look sent: so it has a checksum, which is 0 for 0."""


def make(file: Path) -> sqlite3.Connection:
    """A connection that may write; the tables are made if they are missing. Blocks. For one thread at a time."""
    file.touch(mode=0o600)
    connection = _connect(str(file))
    connection.execute(f"pragma page_size={PAGE_BYTES}")
    connection.executescript(TABLES)
    return connection


def writer(folder: Path, wal_pages: int) -> sqlite3.Connection:
    """The one connection that writes the spool; it begins no transaction by itself. Blocks. For one thread at a time."""
    connection = make(folder / FILE)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(f"pragma wal_autocheckpoint={wal_pages}")
    connection.execute("pragma cache_size=-16384")
    connection.execute(
        "pragma secure_delete=off"
    )  # some builds write zeros over what is deleted, through the journal
    return connection


def reader(folder: Path) -> sqlite3.Connection:
    """A connection that reads only, and leaves the journal as it is. Blocks. For one thread at a time."""
    return _connect(f"{(folder / FILE).absolute().as_uri()}?mode=ro")


def _connect(database: str) -> sqlite3.Connection:
    return sqlite3.connect(
        database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
    )
