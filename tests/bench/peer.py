"""The peer: Kafka Streams and this project on the same topics, on the same broker, one after the other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.topics import Stream
from tests.bench.figures import Figure, Wrong, number, rate, ratio
from tests.bench.following import follow
from tests.bench.load import Must
from tests.bench.stage import Backlog, Stage

PEER = Path(__file__).parents[3] / "shared" / "peer"
CASES = 200_000
LIMIT_SECONDS = 600


def measure(stage: Stage) -> Iterator[Figure]:
    """Its load, its clock (first effect to last position), its two threads against our two processes, in turn."""
    if not PEER.is_dir():
        stage.say("peer: it is not there (../shared/peer), nothing to compare with")
        return
    backlog = _load(stage)
    theirs, ours, said = [], [], []
    for _ in stage.repetitions(1):
        said.append(_script(stage, "measure.py", *_topics(stage, backlog.prefix)))
        if not said[-1]["events_per_s"]:
            raise Wrong(f"the peer did not come to the end: {said[-1]}")
        theirs.append(float(said[-1]["events_per_s"]))
        with stage.system(backlog.prefix) as system:
            system.begin_signatures(datetime.now(UTC) + timedelta(days=1))  # its generator signs nothing
            ours.append(rate(follow(system, backlog, 2)))
        stage.say(f"peer: {number(theirs[-1])} events/s, ours {number(ours[-1])}")
    note = f"{backlog.records:,} events of gen.py"
    peer = Figure(
        "peer, Kafka Streams", "events/s", tuple(theirs), f"{note}; 2 threads", details={"said": said}
    )
    own = Figure("peer, ours", "events/s", tuple(ours), f"{note}; 2 proc., all right")
    yield from (peer, own, ratio("peer, ours ÷ Kafka Streams", own, peer, "same topics, same sitting"))


def _load(stage: Stage) -> Backlog:
    """Fill topics by its generator; it makes them itself, with the senders' times that its windows need."""
    prefix, cases = stage.prefix(), CASES // 10 if stage.quick else CASES
    stage.say(f"peer: generating {cases:,} cases")
    said = _script(stage, "gen.py", str(cases), *_topics(stage, prefix))
    records = said.pop("records")
    return Backlog(prefix, records, Must(**said))


def _topics(stage: Stage, prefix: str) -> list[str]:
    kafka = stage.settings(prefix).kafka
    return ["--case-topic", kafka.topic(Stream.CASE), "--review-topic", kafka.topic(Stream.REVIEW)]


def _script(stage: Stage, name: str, *arguments: str) -> Any:
    """Run one of its scripts against our broker; returns what its last line says. Blocks; raises Wrong if it fails."""
    path = stage.folder / "peer.log"
    with path.open("ab") as log:
        done = subprocess.run(
            [sys.executable, str(PEER / name), stage.kafka.bootstrap_servers, *arguments],
            env=os.environ | {"JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={stage.folder}"},
            stdout=subprocess.PIPE,
            stderr=log,
            check=False,
            timeout=LIMIT_SECONDS,
        )
    if done.returncode:
        raise Wrong(f"{name} failed: {path.read_text(errors='replace')[-800:]}")
    return json.loads(done.stdout.splitlines()[-1])
