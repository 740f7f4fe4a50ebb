"""The gateway: durable 202s for single signed reviews from 64 connections, Kafka and PostgreSQL beside it; then the log against them."""

import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from pipeline import log
from pipeline.signing import sign
from producers.devices.device import Device
from producers.devices.managing import NewKey, Office, decode
from schemas.events import CE_TYPE_PREFIX
from schemas.identifiers import uuid7
from schemas.topics import Stream
from tests.bench.figures import Figure, Wrong
from tests.bench.stage import Stage
from tests.gateway import GatewayProcess
from tests.harness import System, review
from tests.wait import wait_for

CONNECTIONS = 64
SECONDS, QUICK_SECONDS = 10, 4
MOST_A_SECOND = 8_000
"""So many requests a second are signed beforehand: more would not be taken anyway."""
WARM_UP = 4_000
"""Requests before the first measurement: imports, connections, caches."""
MUST_BE, P99_MS = 4_000, 50.0
PLAY = """
local requests, next_one = {{}}, 0
function init()
  local file = io.open("{file}", "rb")
  while true do
    local head = file:read(4)
    if not head then break end
    local a, b, c, d = head:byte(1, 4)
    requests[#requests + 1] = file:read(((a * 256 + b) * 256 + c) * 256 + d)
  end
  file:close()
end
function request()
  next_one = next_one + 1
  if next_one >= #requests then wrk.thread:stop() end
  return requests[next_one] or requests[#requests]
end
function done(summary, latency)
  io.write(string.format('\\n{{"requests": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f, "max": %f}}\\n',
    summary.requests, summary.duration / 1e6,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""
"""What wrk does: play each request of a file once."""


class Run(NamedTuple):
    """What wrk saw, and what it cost the gateway. Latencies in ms."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    max: float
    cpu_us: float


def requests(key: NewKey, host: str, number: int) -> Iterator[bytes]:
    """Signed reviews, each of a case of its own, as they go over the wire."""
    secret = decode(key.secret)
    for _ in range(number):
        event = review(str(uuid7()), channel="terminal", reason_codes=["501"], comment="办得很快")
        body = json.dumps(event, ensure_ascii=False).encode()
        told = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": event["event_id"],
            "ce-source": "/bench",
            "ce-type": CE_TYPE_PREFIX + Stream.REVIEW,
        }
        headers = sign(key.device_id, key.key_id, secret, "POST", "/v1/events", body, told)
        headers |= {"host": host, "content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        yield f"POST /v1/events HTTP/1.1\r\n{lines}\r\n".encode() + body


def play(gateway: GatewayProcess, key: NewKey, folder: Path, number: int, seconds: int) -> Run:
    """Let wrk play so many requests, for so long at most. Blocks."""
    file, script = folder / "requests.bin", folder / "play.lua"
    host = gateway.url.removeprefix("http://")
    with file.open("wb") as out:
        for request in requests(key, host, number):
            out.write(struct.pack(">I", len(request)) + request)
    script.write_text(PLAY.format(file=file), encoding="utf-8")
    process = psutil.Process(gateway.pid)
    before = sum(process.cpu_times()[:2])
    said = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), f"{gateway.url}/v1/events"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    cpu_us = (sum(process.cpu_times()[:2]) - before) / max(found["requests"], 1) * 1e6
    return Run(**found, cpu_us=cpu_us)


def measure(stage: Stage) -> Iterator[Figure]:
    """One process, its spool on the disk of the temporary folder. Every 202 must be on the log, once."""
    if shutil.which("wrk") is None:
        raise Wrong("wrk is not there: apt-get install wrk")
    seconds = QUICK_SECONDS if stage.quick else SECONDS
    with stage.system(stage.prefix()) as system:
        key = Office(system.settings).add(
            Device("bench", "terminal", channels=("terminal",), per_minute=MOST_A_SECOND * 60)
        )
        gateway = GatewayProcess(system.settings, system.folder)
        gateway.start()
        try:
            runs = [play(gateway, key, system.folder, WARM_UP, 10)]
            for _ in stage.repetitions(3):
                stage.say(f"signing {seconds * MOST_A_SECOND:,} reviews")
                runs.append(play(gateway, key, system.folder, seconds * MOST_A_SECOND, seconds))
            _check(system, runs)
        finally:
            gateway.stop()
    yield from _figures(runs[1:])


def _check(system: System, runs: list[Run]) -> None:
    """wrk does not count the last answers of a run, so there may be a few more on the log: at most one a connection."""
    if failed := sum(run.failed for run in runs):
        raise Wrong(f"{failed} requests were not taken")
    taken = sum(run.requests for run in runs)
    end = datetime.now(UTC) + timedelta(seconds=60)

    def logged() -> int:
        return sum(mark.end - mark.start for mark in log.watermarks(system.settings.kafka, [Stream.REVIEW]))

    wait_for(lambda: logged() >= taken or datetime.now(UTC) > end, 70, "the log to have them")
    if not taken <= logged() <= taken + len(runs) * CONNECTIONS:
        raise Wrong(f"{taken} were taken, {logged()} are on the log")


def _figures(runs: list[Run]) -> Iterator[Figure]:
    note = f"{CONNECTIONS} connections, {sum(run.requests for run in runs):,} requests, all on the log"
    rate = tuple(run.requests / run.seconds for run in runs)
    yield Figure("gateway, durable 202", "1/s", rate, f"must be {MUST_BE:,}; {note}")
    yield Figure("gateway, p50", "ms", tuple(run.p50 for run in runs))
    yield Figure("gateway, p99", "ms", tuple(run.p99 for run in runs), limit=P99_MS)
    yield Figure("gateway, max", "ms", tuple(run.max for run in runs))
    yield Figure("gateway, CPU", "µs/request", tuple(run.cpu_us for run in runs), "the whole process")
