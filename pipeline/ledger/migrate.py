"""The schemas' migrations (alembic), under an advisory lock, with a lock timeout: two starts at once are one migration."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from pipeline.ledger.engine import opened_engine
from pipeline.ledger.office_tables import department, office, town
from pipeline.settings import Database
from schemas.catalogue import departments, towns

_LOCK = 0x6D65_6978  # the advisory lock of migrations


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schemas to `revision` and load the catalogue. Blocks while another process does the same."""
    _run(database, revision, up=True)


def downgrade(database: Database, revision: str) -> None:
    """Back to `revision` (`base`: nothing left)."""
    _run(database, revision, up=False)


def _run(database: Database, revision: str, *, up: bool) -> None:
    with opened_engine(database, "migrate", lock_timeout="10s") as pool, pool.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = config_for(connection, database)
        (command.upgrade if up else command.downgrade)(config, revision)
        if up and revision == "head":
            _load_catalogue(connection)


def config_for(connection: Connection, database: Database) -> Config:
    """Alembic's configuration, working in this connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(files("pipeline.ledger") / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["ledger_schema"] = database.ledger_schema
    return config


def _load_catalogue(connection: Connection) -> None:
    """Departments and towns of our package data; rows that the county has loaded itself stay."""
    if connection.scalar(text(f"select exists (select from {office.schema}.department)")):
        return
    connection.execute(
        department.insert(),
        [{"dept_code": d.code, "name": d.name, "items": d.items, "provisional": True} for d in departments()],
    )
    connection.execute(town.insert(), [{"area_code": t.area_code, "name": t.name} for t in towns()])
