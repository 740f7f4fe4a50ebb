"""The worker, composed: Faust brings portions, the folding writes them, watch, sweep and relay stand behind it."""

import asyncio
import gc
import logging
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import faust
import psycopg2
from aiokafka.errors import IllegalStateError
from faust.types import TP
from kafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError
from yarl import URL

from pipeline import metrics
from pipeline.ledger import components
from pipeline.ledger.engine import engine
from pipeline.ledger.erasing import erase_again
from pipeline.ledger.fold import Folder
from pipeline.ledger.key_retention import destroy_due
from pipeline.ledger.positions import TopicPartition
from pipeline.ledger.received import signed_since
from pipeline.ledger.reroute import reroute
from pipeline.ledger.resettle import resettle
from pipeline.ledger.stuck import end_stuck
from pipeline.ledger.sweep import sweep
from pipeline.runtime import logs
from pipeline.runtime.hosts import Hosts
from pipeline.sealing import Sealer
from pipeline.settings import Kafka, Settings
from pipeline.worker.fetching import FETCH_BYTES
from pipeline.worker.folding import Folding
from pipeline.worker.relay import TOLD, Relay
from pipeline.worker.slot import SESSION_SECONDS, Slot
from pipeline.worker.transport import Transport
from pipeline.worker.watch import Watch
from schemas.topics import INPUTS

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
AGAIN_SECONDS = 1.0
"""While the database is away: when it is back, a worker that starts could claim our slot for so long."""
COMMIT_SECONDS = 5.0
RECENT = timedelta(days=3)
"""What the sweep looks at each time; once in 60 times it looks at everything."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
ERASURES_SECONDS = 3600.0
"""Between two looks for what a restored backup has brought back: nothing opens it meanwhile."""
KEYS_SECONDS = 24 * 3600.0
"""Between two looks for keys whose retention is over: it is years, and a look reads every review."""
REROUTE_PAUSE_SECONDS = 0.2
"""Between portions of rerouted tickets: in this time the relay sends as many, and nobody's ticket waits behind them."""
GC_THRESHOLDS = (500_000, 20, 100)
"""A batch of 20,000 records has about 240,000 objects on its way: not each of them is worth a look."""
SWITCH_SECONDS = 0.0005
"""The fold comes back from PostgreSQL twenty times a batch, and a thread that computes makes it wait for so long."""
SESSION = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
    "statement_timeout": "20s",
    "tcp_user_timeout": "15s",
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
}
"""A worker that was stopped in a transaction, or vanished, lets go of its locks after these."""
REBALANCE_SECONDS = 15
REQUEST_SECONDS = REBALANCE_SECONDS + 5
"""How long an answer of the broker is waited for: joining takes as long as a rebalance may. A connection that is gone without
a word holds its partitions for so long; Faust's own 90 s were a worker that stood still.
"""


class Portions(faust.Schema):  # type: ignore[misc]  # Faust is seen as untyped
    """Hands the portions of a round to the agent as they are."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002  Faust's signature
        """A round has no key."""
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002  Faust's signature
        """The portions."""
        return message.value


class Worker:
    """One worker process. Building it claims a slot of the ledger and counts the start (blocks; raises Stop when none is free)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ledger = engine(settings.database, "worker", pool_size=5, **SESSION)
        self.slot = Slot(self.ledger, settings.worker.slots)
        with self.ledger.begin() as connection:
            components.count_start(connection, self.name)
        self.folder = Folder(
            settings.rules.policy(),
            Sealer(settings.seal),
            stripe=self.slot.number,
            signed_since=signed_since(self.ledger),
        )
        self.folding = Folding(self.folder, self.ledger, self._seek, settings.worker.batch_records, self.name)
        self.watch = Watch(self.ledger, settings.kafka, settings.worker.group, self.folding)
        self.relays = [Relay(self.ledger, settings.kafka, stream) for stream in TOLD]
        self.fatal: BaseException | None = None
        self._stopping = threading.Event()
        self.app = self._compose()

    @property
    def name(self) -> str:
        """How this worker is called in `office.component`."""
        return f"worker-{self.slot.number}"

    def _compose(self) -> Any:
        app = faust_app(self.settings, f"{self.settings.worker.group}-{self.slot.number}")
        app.ledger_positions = self._positions
        app.blocked_partitions = lambda: {TP(*at) for at in self.folding.not_read()}
        topic = app.topic(*app.streams_by_topic, schema=Portions(), acks=False)

        @app.agent(topic, name="fold")  # type: ignore[untyped-decorator]  # Faust is seen as untyped
        async def fold(rounds: Any) -> None:
            async for portions in rounds:
                await self.folding.take_in(portions)

        tasks = (
            self.folding.run,
            self._watch,
            self._sweep,
            self._keys,
            self._erasures,
            self._heartbeat,
            self._commit,
            self._relay,
        )
        for task in tasks:
            app.task(self._fatal(app, task))
        return app

    def _fatal(self, app: Any, task: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """A task whose end is the worker's: the error is told, and the process stops."""

        async def run() -> None:
            try:
                await task()
            except Exception as error:
                self.fatal = error
                log.exception("worker_stops", extra={"task": task.__name__})
                await app.crash(error)

        return run

    async def _seek(self, starts: Mapping[TopicPartition, int]) -> None:
        """Send the reader there; a partition that has gone to another worker begins there where the ledger stands."""
        with suppress(IllegalStateError):
            await self.app.consumer.seek_wait({TP(*at): offset for at, offset in starts.items()})

    async def _positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        """Where the ledger stands; nothing while it is away: the fold drops or sends back what does not fit."""
        try:
            starts = await self.watch.starts([(tp.topic, tp.partition) for tp in assigned])
        except Exception:
            log.exception("positions_unknown")
            return {}
        self.folding.begin_anew()
        await self.folding.blocked.forget(starts)
        return {TP(*at): offset for at, offset in starts.items()}

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.worker.watch_seconds)
            await self._guarded("watch", self._check)

    async def _check(self) -> None:
        again = await self.watch.check(self.app.consumer)
        if again:
            log.warning("reader_astray", extra={"seeks": again})
            self.folding.expect(again)
            await self._seek(again)
        if unread := await self.watch.unread():
            log.warning("partitions_unread", extra={"partitions": sorted(unread)})
            await self.app.consumer.rejoin()

    async def _sweep(self) -> None:
        turn = 0
        while True:
            since = BEGINNING if turn % 60 == 0 else datetime.now(UTC) - RECENT
            await self._guarded("sweep", partial(asyncio.to_thread, self.sweep_once, since))
            turn += 1
            await asyncio.sleep(self.settings.worker.sweep_seconds)

    def sweep_once(self, since: datetime) -> None:
        """One sweep, what a migration has left to it, and what tickets the fold has. Blocks."""
        repaired = sweep(self.ledger, self.folder, since)
        if repaired:
            log.error("missed_matches_repaired", extra={"services": len(repaired)})
        while settled := resettle(self.ledger, self.folder):
            log.info("services_resettled", extra={"services": settled})
        while reroute(self.ledger, self.folder) and not self._stopping.wait(REROUTE_PAUSE_SECONDS):
            pass

    async def _every(self, seconds: float, what: str, act: Callable[[], None]) -> None:
        while True:
            await self._guarded(what, partial(asyncio.to_thread, act))
            await asyncio.sleep(seconds)

    async def _erasures(self) -> None:
        await self._every(ERASURES_SECONDS, "erasures", self.erase_again)

    def erase_again(self) -> None:
        """Take out what a restored database has brought back of identities that were erased. Blocks."""
        if erased := erase_again(self.settings, self.folder.sealer, self._stopping):
            log.warning("identities_erased_again", extra={"events": erased})

    async def _keys(self) -> None:
        await self._every(KEYS_SECONDS, "keys", self.destroy_due_keys)

    def destroy_due_keys(self) -> None:
        """Destroy the keys of the months whose retention is over. Blocks."""
        seal, months = self.settings.seal, self.folder.sealer.months
        destroy_due(self.ledger, months, datetime.now(UTC), timedelta(days=seal.retention_days), self.name)

    async def _heartbeat(self) -> None:
        while True:
            await self._guarded("heartbeat", partial(asyncio.to_thread, self._beat))
            await self._rest()

    async def _rest(self) -> None:
        """Until the next beat, which claims the slot again if its session has ended: then it is due at once."""
        session, loop, ended = self.slot.fileno(), asyncio.get_running_loop(), asyncio.Event()
        if session is None:
            await asyncio.sleep(AGAIN_SECONDS)
            return
        loop.add_reader(session, ended.set)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), HEARTBEAT_SECONDS)
        finally:
            loop.remove_reader(session)

    def _beat(self) -> None:
        self.slot.keep()
        anew = "; ".join(str(one) for one in self.watch.made_anew)
        still = anew or "; ".join(str(one) for one in self.folding.blocked.blockades.values())
        relays = "; ".join(relay.last_error for relay in self.relays if relay.last_error)
        error = still or self.folding.last_error or relays
        with self.ledger.begin() as connection:
            components.beat(connection, self.name, "blocked" if still else "running", error)
            stuck = end_stuck(connection)
        if stuck:
            log.warning("stopped_workers_ended", extra={"sessions": stuck})

    async def _commit(self) -> None:
        """Tell Kafka how far we are, for the eyes of its own tools; nothing here reads it."""
        told: dict[TopicPartition, int] = {}
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            news = {at: offset for at, offset in self.folding.folded_to.items() if told.get(at) != offset}
            mine = self.app.consumer.assignment()
            news = {at: offset for at, offset in news.items() if TP(*at) in mine}
            if news and await self.app.consumer._commit({TP(*at): offset for at, offset in news.items()}):  # noqa: SLF001
                told.update(news)

    async def _relay(self) -> None:
        try:
            await asyncio.gather(*(asyncio.to_thread(relay.run, self._stopping) for relay in self.relays))
        finally:
            self._stopping.set()

    async def _guarded(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Do it; the database or the log may be away for a while, which is told and tried again next time."""
        try:
            await act()
        except (DBAPIError, psycopg2.Error, KafkaError, OSError) as error:
            log.warning("away", extra={"task": what, "error": type(error).__name__})

    def close(self) -> None:
        """After the app has stopped."""
        self._stopping.set()
        self.folding.close()
        with self.ledger.begin() as connection:
            error = f"ended by {type(self.fatal).__name__}: see its log" if self.fatal else ""
            components.beat(connection, self.name, "stopped", error)
        self.slot.close()
        self.ledger.dispose()


def run(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code. Blocks. Raises Stop before it runs."""
    logs.begin()
    worker = Worker(settings)
    _tune_interpreter()
    metrics.serve(settings.worker.metrics_port, Hosts(settings.web.host_names))
    try:
        faust.Worker(
            worker.app, loglevel="info", redirect_stdouts=False, override_logging=False
        ).execute_from_commandline()
    except SystemExit as end:
        return 1 if worker.fatal else int(end.code or 0)
    finally:
        worker.close()
    return 1 if worker.fatal else 0


def _tune_interpreter() -> None:
    """Fewer collections of garbage, of which batches make none; shorter turns for threads that wait for each other."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)


def _credentials(kafka: Kafka) -> Any:
    """What Faust is told about security; None for plain text."""
    if kafka.security_protocol == "PLAINTEXT":
        return None
    tls = (
        ssl.create_default_context(cafile=kafka.ssl_cafile)
        if kafka.security_protocol.endswith("SSL")
        else None
    )
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(tls)
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value(),
        ssl_context=tls,
        mechanism=kafka.sasl_mechanism,
    )


def faust_app(settings: Settings, instance: str) -> Any:
    """The Faust application. Reasons for each setting: docs/decisions/0001-batches-into-a-faust-agent.md."""
    kafka = settings.kafka
    scratch = settings.stack.data_dir / "faust"  # Faust wants a folder; without tables it stays empty
    scratch.mkdir(parents=True, exist_ok=True)
    url = URL(f"kafka://{kafka.bootstrap_servers.replace(',', ';')}")
    app = faust.App(
        settings.worker.group,
        broker=str(url),
        broker_credentials=_credentials(kafka),
        consumer_group_instance_id=instance,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=settings.worker.batch_records,
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=3,
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_request_timeout=REQUEST_SECONDS,
        stream_buffer_maxsize=4,
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        store="memory://",
        datadir=str(scratch),
        web_enabled=False,
    )
    app.transport = Transport([url], app)
    app.streams_by_topic = {kafka.topic(stream): stream for stream in INPUTS}
    return app
