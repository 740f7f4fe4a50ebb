"""`hcp status`: one picture of log and ledger, as a JSON object; what is wrong or cannot be reached is said first, in `errors`."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
from kafka.errors import KafkaError
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from consumers.crashes import crash_loops
from consumers.kept import Kept
from consumers.question import DEADLINE_SECONDS, Question
from pipeline.ledger.engine import engine
from pipeline.ledger.figures import Dear, Figures, Row, dear, figures
from pipeline.ledger.rate import Rate
from pipeline.ledger.shared_numbers import SharedNumber
from pipeline.ledger.standing import Still, standing
from pipeline.ledger.verify import OUTBOX_SECONDS
from pipeline.log import Watermark, admin, marks, missing_topics
from pipeline.privacy import mask
from pipeline.settings import Settings
from pipeline.times import shown
from schemas.topics import INPUTS

SILENT = timedelta(seconds=30)
"""A component beats every 5 s; a long batch may keep it from that for a while."""


class Status:
    """Keeps its connections between two looks, and what is dear to ask for; connects at the first. Close it at the end."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._pool: Engine | None = None
        self._dear = Kept(self._ask_dear, clock)
        self._ledger = Question("the database", self.figures, self._connect)
        self._log = Question("Kafka", self._read_log)

    def collect(self) -> dict[str, Any]:
        """The picture of this moment, `errors` first. Raises nothing.

        Blocks for 5 s at most if a server is away; for longer only while PostgreSQL answers and has much to count.
        """
        self._log.put()
        self._ledger.put()
        ledger, log = self._ledger.answer(), self._log.answer()
        errors = [answer.error for answer in (log, ledger) if answer.error]
        known = ledger.value
        marks, missing = log.value or ([], [])
        picture: dict[str, Any] = {
            "asked_at": (known.asked_at if known else datetime.now(UTC)).isoformat(timespec="seconds"),
            "addresses": addresses(self._settings),
            "topics": _topics(marks, known.positions if known else None),
        }
        if known:
            still = self._standing(known, marks)
            picture |= _picture(known) | {"standing_still": [one._asdict() for one in still]}
            errors += _troubles(known, still, self._settings.rules.zone)
            errors += crash_loops(known.components, known.asked_at, self._settings.stack.data_dir / "log")
        errors += [f"the topic {topic} does not exist: make it with `hcp topics`" for topic in missing]
        return {"errors": errors, "notes": _uneven(marks)} | picture

    def close(self) -> None:
        """Give the connections back."""
        if self._pool:
            self._pool.dispose()

    def figures(self) -> Figures:
        """What the ledger knows, in one snapshot, but for what is dear. Blocks; raises sqlalchemy errors when it is away."""
        known = self._dear.get()
        with self._snapshot() as connection:
            return figures(connection, self._settings, known)

    def _ask_dear(self) -> Dear:
        with self._snapshot() as connection:
            return dear(connection)

    def _standing(self, known: Figures, marks: list[Watermark]) -> list[Still]:
        """Those that stand still; what only the log could say, not while it does not answer."""
        try:
            return standing(self._settings.kafka, marks, known.positions, known.blocked, known.asked_at)
        except KafkaError:
            return standing(self._settings.kafka, [], known.positions, known.blocked, known.asked_at)

    def _connect(self) -> None:
        psycopg2.connect(self._settings.database.url.get_secret_value(), connect_timeout=2).close()

    def _read_log(self) -> tuple[list[Watermark], list[str]]:
        """The input topics' partitions, and which of the five topics do not exist."""
        kafka = self._settings.kafka
        with admin(kafka, DEADLINE_SECONDS) as client:
            return marks(client, [kafka.topic(stream) for stream in INPUTS]), missing_topics(client, kafka)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        self._pool = self._pool or engine(self._settings.database, "status")
        with self._pool.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def collect(settings: Settings) -> dict[str, Any]:
    """One look, for a command."""
    status = Status(settings)
    try:
        return status.collect()
    finally:
        status.close()


def addresses(settings: Settings) -> dict[str, str]:
    """Where everything is. The database's password is not in its URL: libpq reads it from the file that the URL names."""
    web = settings.web
    host = f"[{web.host}]" if ":" in web.host else web.host
    return {
        "bootstrap_servers": settings.kafka.bootstrap_servers,
        "database_url": _without_password(settings),
        "desk": f"http://{host}:{web.desk_port}/",
        "gateway": f"{settings.gateway.url}/",
        "metrics": f"http://{host}:{web.exporter_port}/metrics",
    }


def _without_password(settings: Settings) -> str:
    url = make_url(settings.database.url.get_secret_value())
    passfile = Path(settings.stack.data_dir, "pgpass").resolve()
    if passfile.exists():
        url = url.update_query_dict({"passfile": str(passfile)})
    return url._replace(password=None).render_as_string()


def _topics(log: list[Watermark], positions: list[Row] | None) -> list[dict[str, Any]]:
    """Each partition: what the log holds, where the ledger stands; position and lag are None while nobody knows."""
    known = {(row["topic"], row["partition"]): row["next_offset"] for row in positions or []}
    return [
        {
            "topic": mark.topic,
            "partition": mark.partition,
            "log_start": mark.start,
            "end": mark.end,
            "position": (position := known.get((mark.topic, mark.partition))),
            "lag": None if positions is None else max(0, mark.end - (position or mark.start)),
        }
        for mark in log
    ]


def _picture(f: Figures) -> dict[str, Any]:
    modes = list(f.services)
    return {
        "fates": f.fates,
        "reviews": f.reviews,
        "services": {
            name: sum(f.services[mode][name] for mode in modes)
            for name in ("reviewed", "unreviewed", "pending")
        },
        "rates": {
            mode: _rate(f.review_rate(mode)) | {"pending": f.services[mode]["pending"]} for mode in modes
        },
        "quality": {name: _rate(rate) for name, rate in f.quality().items()},
        "coverage": {name: _rate(rate) for name, rate in f.coverage.items()},
        "channels": f.channels,
        "inspection": f.inspection,
        "devices": f.devices,
        "device_faults": f.device_faults,
        "tickets": f.tickets,
        "tickets_overdue": f.tickets_overdue,
        "dead_letters": f.dead_letters,
        "dead_letters_open": f.dead_letters_open,
        "gaps": len(f.gaps),
        "repairs": f.repairs,
        "shared_numbers": {"keys": f.shared_numbers, "first": [_shared(number) for number in f.most_shared]},
        "outbox": {
            "unsent": f.outbox_unsent,
            "oldest_seconds": round(f.outbox_oldest_seconds, 1),
            "set_aside": f.outbox_set_aside,
        },
        "components": [_component(row) for row in f.components],
    }


def _rate(rate: Rate) -> dict[str, Any]:
    value = None if rate.value is None else round(rate.value, 4)
    return {"rate": value, "part": rate.part, "whole": rate.whole}


def _shared(number: SharedNumber) -> dict[str, Any]:
    """With what is longer than a code masked: a sender may put an identity number where a case number belongs."""
    senders = [mask(sender) for sender in number.senders]
    return number._asdict() | {"case_no": mask(number.case_no), "senders": senders}


def _component(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "state": row["state"],
        "at": row["at"].isoformat(),
        "last_error": row["error"],
        "last_error_at": row["error_at"].isoformat() if row["error_at"] else None,
        "starts": row["starts"],
        "started_at": row["started"][0].isoformat(timespec="seconds") if row["started"] else None,
    }


def _uneven(marks: list[Watermark]) -> list[str]:
    """That the input topics have different numbers of partitions: correct, but cases and reviews wait for each other more."""
    counts = Counter(mark.topic for mark in marks)
    if len(set(counts.values())) < 2:
        return []
    said = " and ".join(f"{topic} has {n}" for topic, n in sorted(counts.items()))
    return [f"the input topics differ in partitions: {said}. All are read; give both the same number"]


def _troubles(f: Figures, still: list[Still], zone: ZoneInfo) -> list[str]:
    """What a person must look at now; an error that is over stands in `components` only."""
    lost = [
        f"{gap['topic']}[{gap['partition']}]: retention deleted the records {gap['from_offset']} to {gap['to_offset'] - 1}"
        " before they were read: let their senders send them again"
        for gap in f.gaps
    ]
    running = [row for row in f.components if row["state"] != "stopped"]
    blocked = [f"{row['name']}: {row['error']}" for row in running if row["state"] == "blocked"]
    silent = [
        f"{row['name']} has said nothing since {shown(row['at'], zone)}: see its log"
        for row in running
        if f.asked_at - row["at"] > SILENT
    ]
    stand = [one.sentence for one in still if not any(one.sentence in words for words in blocked)]
    return lost + blocked + stand + silent + list(_outbox_troubles(f))


def _outbox_troubles(f: Figures) -> Iterator[str]:
    if f.outbox_oldest_seconds > OUTBOX_SECONDS:
        yield (
            f"{f.outbox_unsent} rows of the outbox wait to be sent, the oldest for {f.outbox_oldest_seconds:.0f} s: the"
            " worker's last error says why; `hcp topics` creates a topic that is missing"
        )
    if f.outbox_set_aside:
        yield (
            f"{f.outbox_set_aside} rows of the outbox are set aside, Kafka refuses them: `hcp outbox list` says why,"
            " `hcp outbox retry` sends them again"
        )
