"""How a review is followed up: from the spool, which has the newest, and from the ledger, which has them all and their tickets."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from pipeline.ledger.receipts import Standing, received_at, ticket_of
from producers.gateway.ledger import Ledger, LedgerAway
from producers.pages.words import department, moment
from producers.spool.spool import Spool
from schemas.tickets import CLOSED, State


class Progress(NamedTuple):
    """What the citizen is told. `facts`: pairs of name and value; `is_known` is False where nothing can be said."""

    title: str
    words: str
    facts: Sequence[tuple[str, str]] = ()
    is_known: bool = True


STATES: dict[str, tuple[str, str]] = {
    State.NEW: ("已转交承办部门", "承办部门将签收您的评价，并核实情况。"),
    State.VERIFYING: ("正在核实", "承办部门正在核实您反映的情况。"),
    State.APPEALING: ("正在复核", "承办部门对这条评价有不同意见，县好差评监督办正在复核。"),
    State.DISMISSED: ("复核已结束", "县好差评监督办复核后认为这条评价不应由承办部门负责，原评价保留。"),
    State.RECTIFYING: ("正在整改", "情况已经核实，承办部门正在整改。"),
    State.REVIEWING: ("整改结果正在审核", "承办部门已提交整改结果，正在审核。"),
    State.CALLING_BACK: ("等待回访", "整改已经完成。您留下电话的，会有工作人员联系您，听取您的意见。"),
    State.CLOSED: ("已办结", "您反映的问题已经整改办结。"),
}
RECEIVED = (
    "您的评价已收到",
    "评价已如实记录。评价为不满意或非常不满意的，一般几分钟内转交承办部门，之后可以在这里看到进展。",
)
UNKNOWN = Progress(
    "没有找到这个编号",
    "请核对编号后再查询。刚刚提交的评价，请过几分钟再查询。",
    is_known=False,
)
AWAY = Progress("暂时查不到", "查询服务正在恢复，您的评价没有丢失。请过几分钟再查询。", is_known=False)


class Following:
    """Asks spool and ledger."""

    def __init__(self, zone: ZoneInfo, spool: Spool, ledger: Ledger) -> None:
        self._zone, self._spool, self._ledger = zone, spool, ledger

    async def progress(self, event_id: str) -> Progress:
        """What became of this review. Takes two seconds at most; raises nothing because the ledger is away."""
        found = await asyncio.to_thread(self._spool.find, event_id)
        since = found.received_at if found else None
        try:
            standing, folded = await self._ledger.ask(partial(_in_ledger, event_id=event_id))
        except LedgerAway:
            return self._received(since) if since else AWAY
        if standing:
            return self._standing(standing)
        since = since or folded
        return self._received(since) if since else UNKNOWN

    def _received(self, at: datetime) -> Progress:
        return Progress(*RECEIVED, [("收到时间", moment(at, self._zone))])

    def _standing(self, standing: Standing) -> Progress:
        facts = [
            ("承办部门", department(standing.dept_code)),
            ("收到时间", moment(standing.opened_at, self._zone)),
        ]
        if standing.state not in CLOSED:
            facts.append(("整改期限", moment(standing.due_at, self._zone)))
        words = STATES.get(
            standing.state, STATES[State.NEW]
        )  # a state of a later version: it is with them, too
        return Progress(*words, [(name, value) for name, value in facts if value])


def _in_ledger(connection: Connection, event_id: str) -> tuple[Standing | None, datetime | None]:
    """Its ticket, and since when the ledger has it."""
    return ticket_of(connection, event_id), received_at(connection, event_id)
