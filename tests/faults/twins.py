"""The broken twins: each takes one guard out of the workers or the gateway, and the run that provokes it must go red.

The code runs in their process before it starts. A pause between two steps stands for a slow disk: it makes the moment in
which a fault has to come wide enough to be met.
"""

from typing import Literal, NamedTuple


class Twin(NamedTuple):
    """What is missing, the code that takes it out, faults that show it, and the words for it."""

    without: str
    code: str
    shown_by: tuple[str, ...]
    said: str | tuple[str, ...]
    """What the verdict then says, among other things."""
    process: Literal["worker", "gateway"] = "worker"
    """Whose code it is."""


_BLIND = """
    from pipeline.ledger.fold import Folder
    from pipeline.worker.watch import Watch
    def due(self, decoded, positions):
        return list(decoded), {(d.portion.topic, d.portion.partition): d.portion.end for d in decoded}, {}
    async def check(self, consumer):
        return {}
    Folder._due, Watch.check = due, check
"""
_POSITION = (
    _BLIND
    + """
    from faust.transport.drivers import aiokafka as driver
    from pipeline.ledger import fold
    from pipeline.worker.transport import Consumer
    insert = fold.insert
    async def committed(self):
        await self.app.ledger_positions(self.assignment())
        return await driver.Consumer.seek_to_committed(self)
    def at_will(cursor, table, rows):
        if table.name not in ("raw_block", "dead_letter"):
            insert(cursor, table, rows)
    Consumer.seek_to_committed, fold.insert = committed, at_will
"""
)
"""Raw blocks and dead letters are left out: their keys are places in the log, and would not let a record in twice."""
_SERVICE_ROW = """
    import time
    from functools import partial
    from msgspec.structs import replace
    import pipeline.worker.app as app
    from pipeline.ledger import entries, fold, held
    from pipeline.ledger.write import write
    from pipeline.rules.fold import Changes
    from pipeline.rules.records import Dossier, Key
    import threading
    right, near = held.hold, threading.local()
    def hold(cursor, keys, arrivals, policy, **options):
        got = right(cursor, keys, arrivals, policy, **options)
        bare = near.bare = {key for key in keys if key.case_no and key not in got}
        cursor.execute(
            f"select {entries.REVIEW} from review where case_no = any(%s)",
            [sorted({key.case_no for key in bare})],
        )
        for row in cursor.fetchall():
            key = Key(row[0], row[1])
            if key in bare:
                got.setdefault(key, Dossier(key)).reviews.append(entries.review(row))
        return got
    def without(cursor, changes, stripe):
        time.sleep(0.3)
        waiting = [change for change in changes.dossiers if change.settled.current is None]
        others = [change for change in changes.dossiers if change.settled.current is not None]
        for change in waiting:
            key, change.dossier.key = change.dossier.key, replace(change.dossier.key, case_no="")
            write(cursor, Changes([change], {}, {}), stripe)
            change.dossier.key = key
        for change in others:
            change.new = change.new or change.dossier.key in getattr(near, "bare", ())
        write(cursor, Changes(others, changes.tally, {}), stripe)
    fold.hold = hold
    app.Folder = partial(app.Folder, write=without)
"""
"""It still looks for reviews that came in an earlier batch; only two halves folded at the same moment do not meet."""
_COMMIT_FIRST = """
    import time
    from pipeline.ledger import fold
    from pipeline.rules.records import Fate
    def transact(self, connection, decoded, effects):
        with connection.cursor() as cursor:
            positions = fold.lock(cursor, {(d.portion.topic, d.portion.partition) for d in decoded})
            due, ends, seeks = self._due(decoded, positions)
            for partition, end in ends.items():
                fold.advance(cursor, positions[partition], end, dict.fromkeys(Fate, 0))
            connection.commit()
            time.sleep(0.3)
            fates, due = effects(cursor, due)
            self._keep(cursor, due, positions, fates)
            for partition, end in ends.items():
                fold.advance(cursor, positions[partition], end, fates.get(partition) or dict.fromkeys(Fate, 0))
        connection.commit()
        return fold.Folded(fates, seeks)
    fold.Folder._transact = transact
"""
_COUNTER = """
    import time
    import psycopg2
    from pipeline.ledger import write
    right = write._counters
    def aside(cursor, tally, stripe):
        aside = psycopg2.connect(cursor.connection.dsn, password=cursor.connection.info.password)
        with aside, aside.cursor() as other:
            right(other, tally, stripe)
        aside.close()
        time.sleep(0.3)
    write._counters = aside
"""
_TOLD_ALL_THE_SAME = """
    from pipeline.clock import utc_now
    from producers.gateway.landing import Reply
    from producers.spool.errors import SpoolFull
    from producers.spool.record import Appended
    refuse = Reply.set_exception
    def tell(self, error):
        if isinstance(error, SpoolFull):
            self.set_result(Appended(True, utc_now()))
        else:
            refuse(self, error)
    Reply.set_exception = tell
"""
_READER = """
    from pipeline.worker import fetching
    fetching.install = lambda: None
"""
"""The worker without its guard around header names: aiokafka reads as it reads."""
_CROWD = """
    from msgspec.structs import replace
    from pipeline.ledger import crowds
    right = crowds.unseen
    def forgetful(*about):
        return replace(right(*about), conflicts=0, reviews_on_time=0)
    crowds.unseen = forgetful
"""

TWINS: dict[str, Twin] = {
    "position": Twin(
        "the position: reading starts at the offsets that Kafka was told",
        _POSITION,
        ("kill",),
        "records folded",
    ),
    "service-row": Twin(
        "the service row of a review that comes first",
        _SERVICE_ROW,
        ("nap",),
        ("a match is missing or wrong", "matches that only the sweep found"),  # if it was there first
    ),
    "seek": Twin("the seek after a gap", _BLIND, ("restored",), "a hole below the position"),
    "commit-first": Twin(
        "effects before the acknowledgement: the position is committed first",
        _COMMIT_FIRST,
        ("kill",),
        "records folded",
    ),
    "counter": Twin(
        "counters in the transaction: they are committed aside",
        _COUNTER,
        ("kill", "sessions-ended"),
        "a counter is not what the rows say",
    ),
    "reader": Twin(
        "the guards around what cannot be read: the worker ends with it",
        _READER,
        ("poison",),
        ("fault 1, poison", "fault 2, poison"),
    ),
    "crowd": Twin(
        "the counts of what a crowded service has and a batch does not read",
        _CROWD,
        ("skew",),
        ("what is kept of a service with many records", "counters"),
    ),
    "no-room": Twin(
        "the refusal of what finds no room: it is told 202 and dropped",
        _TOLD_ALL_THE_SAME,
        ("spool-full",),
        "events taken by the gateway",
        process="gateway",
    ),
}
