"""What `hcp up` shows: the processes, where to look, what came through. A live picture on a terminal, lines elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.keeper import Keeper, State
from deploy.progress import Progress, progress
from deploy.stack import Stack

LINE_SECONDS = 5.0
COLOURS = {
    State.RUNNING: "green",
    State.DONE: "green",
    State.SILENT: "yellow",
    State.RESTARTING: "red",
    State.FAILED: "red",
}
TERMS = {
    "stored": "已入库",
    "duplicate": "重复",
    "conflict": "冲突",
    "dead_letter": "死信",
    "skipped": "空记录",
    "matched": "已匹配",
    "matched_late": "迟到匹配",
    "orphan": "无主评价",
    "unmatched": "待匹配",
    "standalone": "无办件评价",
    "reviewed": "已评价",
    "unreviewed": "未评价",
    "pending": "待评价",
    "new": "待签收",
    "verifying": "待核实",
    "appealing": "申诉待审",
    "dismissed": "申诉成立",
    "rectifying": "整改中",
    "reviewing": "待审核",
    "calling_back": "待回访",
    "closed": "办结",
}


class View:
    """The picture of one stack; `status` is the last of `consumers.status.collect`."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.status: Mapping[str, Any] = {}

    def __rich__(self) -> RenderableType:
        """The whole picture, as it is now."""
        return Group(self._processes(), self._places(), self._player(), *self._came_through())

    def line(self) -> str:
        """The same in one line of plain text."""
        states = " ".join(_brief(keeper) for keeper in self.stack.supervisor.keepers)
        played = self._progress()
        parts = [states, *(f"{name} {_counts(found)}" for name, found in self._found().items())]
        return " | ".join([*parts, f"played {played.done}/{played.total}"] if played else parts)

    def summary(self, phases: Mapping[str, float]) -> RenderableType:
        """What came through, and how long each phase took."""
        took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items())
        return Group(*self._came_through(), Text(f"{took}; together {sum(phases.values()):.1f} s"))

    def _processes(self) -> Table:
        table = Table("process", "state", "since", "restarts", "address", "log", box=None, pad_edge=False)
        for keeper in self.stack.supervisor.keepers:
            table.add_row(*self._row(keeper))
        return table

    def _row(self, keeper: Keeper) -> list[RenderableType]:
        state = f"{keeper.state}: {keeper.message}" if keeper.message else str(keeper.state)
        name = keeper.service.name
        return [
            name,
            Text(state, style=COLOURS.get(keeper.state, "")),
            _ago(keeper.since),
            str(keeper.restarts),
            keeper.service.address,
            str(self.stack.log(name)),
        ]

    def _places(self) -> Text:
        return Text(
            "\nCtrl-C stops everything. From another shell here: hcp status, hcp verify, hcp down.", "dim"
        )

    def _progress(self) -> Progress | None:
        return progress(self.stack.log("player")) if self.stack.player else None

    def _player(self) -> RenderableType:
        played = self._progress()
        if played is None:
            return Text()
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(played.total, 1), completed=played.done, width=40)
        row.add_row("playing", bar, f"{played.done:,} of {played.total:,}", Text(played.note, "dim"))
        return row

    def _came_through(self) -> list[RenderableType]:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, found in self._found().items():
            table.add_row(Text(name, "bold"), _words(found))
        errors = [Text(str(error), "red") for error in self.status.get("errors", [])]
        return [Text(), table, *errors]

    def _found(self) -> dict[str, Mapping[str, Any]]:
        """What came through, by what the row is called."""
        fates = self.status.get("fates", {})
        rows = {topic: counts for topic, counts in fates.items() if any(counts.values())}
        for key, name in {
            "reviews": "reviews 评价",
            "services": "services 服务",
            "tickets": "tickets 差评工单",
        }.items():
            if any(self.status.get(key, {}).values()):
                rows[name] = self.status[key]
        lag = sum(topic["lag"] for topic in self.status.get("topics", []))
        return {**rows, "to fold": {"records": lag}} if rows else rows


def _brief(keeper: Keeper) -> str:
    state = "" if keeper.state is State.RUNNING else f":{keeper.state}"
    restarts = f"(restarts={keeper.restarts})" if keeper.restarts else ""
    return f"{keeper.service.name}{state}{restarts}"


def _words(found: Mapping[str, Any]) -> str:
    return (
        "   ".join(
            f"{name}{f' {TERMS[name]}' if name in TERMS else ''} {count:,}"
            for name, count in found.items()
            if count
        )
        or "nothing"
    )


def _counts(found: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={count}" for name, count in found.items() if count) or "nothing"


def _ago(moment: datetime) -> str:
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    )


@asynccontextmanager
async def shown(view: View, console: Console) -> AsyncIterator[None]:
    """Show it while this lasts: live on a terminal, else a line every five seconds, if it has changed."""
    if console.is_terminal:
        with Live(view, console=console, refresh_per_second=2):
            yield
        return
    lines = asyncio.create_task(_lines(view, console))
    try:
        yield
    finally:
        lines.cancel()


async def _lines(view: View, console: Console) -> None:
    last = ""
    while True:
        await asyncio.sleep(LINE_SECONDS)
        if (line := view.line()) != last:
            last = line
            console.print(
                f"{datetime.now().astimezone():%H:%M:%S} {line}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
