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

from consumers.report import lines, summary
from deploy.keeper import Keeper, State
from deploy.progress import Progress, progress
from deploy.stack import Stack
from pipeline import times

LINE_SECONDS = 5.0
COLOURS = {
    State.RUNNING: "green",
    State.DONE: "green",
    State.SILENT: "yellow",
    State.RESTARTING: "red",
    State.FAILED: "red",
}


class View:
    """The picture of one stack; `picture` is the last of `consumers.status`."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.picture: Mapping[str, Any] = {}

    def __rich__(self) -> RenderableType:
        """The whole picture, as it is now; a defect of this view is a line in it."""
        try:
            return self._whole()
        except Exception as error:  # noqa: BLE001  no view may end the supervisor
            return Text(f"! {_defect(error)}", "red")

    def line(self) -> str:
        """The same in one line of plain text."""
        try:
            return self._line()
        except Exception as error:  # noqa: BLE001  no view may end the supervisor
            return f"! {_defect(error)}"

    def fail(self, error: Exception) -> None:
        """There is no picture of this moment, because of this error."""
        self.picture = {"errors": [_defect(error)], "notes": [], "topics": []}

    def _whole(self) -> RenderableType:
        return Group(
            self._processes(),
            self._places(),
            self._player(),
            Text(),
            summary(self.picture) if self.picture else Text(),
        )

    def _line(self) -> str:
        states = " ".join(_brief(keeper) for keeper in self.stack.supervisor.keepers)
        played = self._progress()
        came = [f"{name}: {words}" for name, words in lines(self.picture).items()] if self.picture else []
        return " | ".join(
            [
                states,
                *([f"played {played.done:,} of {played.total:,}: {played.note}"] if played else []),
                *came,
                *(f"! {error}" for error in self.picture.get("errors", [])),
            ]
        )

    def summary(self, phases: Mapping[str, float]) -> RenderableType:
        """What came through, and how long each phase took."""
        took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items())
        played = self._progress()
        return Group(
            Text(played.note if played else "", "dim"),
            summary(self.picture),
            Text(f"{took}; together {sum(phases.values()):.1f} s"),
        )

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


def _defect(error: Exception) -> str:
    return f"this view has a defect, what it shows goes on: {type(error).__name__}: {error}"


def _brief(keeper: Keeper) -> str:
    state = "" if keeper.state is State.RUNNING else f":{keeper.state}"
    restarts = f"(restarts={keeper.restarts})" if keeper.restarts else ""
    return f"{keeper.service.name}{state}{restarts}"


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
                f"{times.shown(datetime.now(UTC), view.stack.settings.rules.zone)} {line}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
