"""The outbox of text messages: kept first, then handed to the webhook, again and again until it takes them or they expire."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from pipeline import metrics
from pipeline.sealing import CannotOpen, Sealer
from producers.qr.sms.store import Due, Store
from producers.qr.sms.webhook import Message, NotTaken, Refused, post

TEXT = "【眉县政务服务】您办理的业务已有结果，请您评价：{url}"
FIRST_SECONDS, MOST_SECONDS = 5.0, 600.0
"""After a failed try, and doubled after each further one up to the most."""
DOUBLINGS = 7
"""Beyond the most: 5 s * 2**7 = 640 s. A message may be tried for a year, and 2**1024 is no float."""
A_ROUND = 50
IDLE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Outbox:
    """A file in `folder`, and between `start` and `stop` a thread that empties it.

    `add` may be called from any thread. A message is handed over at least once: its id tells copies apart.
    """

    def __init__(
        self,
        folder: Path,
        webhook: str,
        sealer: Sealer,
        clock: Callable[[], datetime],
        hand_over: Callable[[str, Message], None] = post,
    ) -> None:
        self._store, self._webhook, self._sealer = Store(folder), webhook, sealer
        self._clock, self._hand_over = clock, hand_over
        self._more, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, token_id: str, phone: str, url: str, expires: datetime) -> bool:
        """Keep a message, in place of this token's if that is not sent; False if it was sent already. Blocks on the disk."""
        message = Message(self._id(token_id, phone), phone, url, TEXT.format(url=url))
        sealed = self._sealer.seal(msgspec.json.encode(message), "sms", token_id)
        added = self._store.add(token_id, message.id, sealed, self._now(), expires.timestamp())
        self._measure()
        self._more.set()
        return added

    def waiting(self) -> int:
        """How many are to be handed over yet."""
        return self._store.waiting()

    def start(self) -> None:
        """Hand over from now on, in a thread."""
        self._thread = threading.Thread(target=self._run, name="sms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the file. Blocks for one try at most; what is left goes at the next start."""
        self._stopping.set()
        self._more.set()
        if self._thread:
            self._thread.join()
        self._store.close()

    def hand_over_due(self) -> int:
        """One round: everything that is due, once. Returns how many were taken. Blocks on the webhook."""
        now = self._now()
        if given_up := self._store.forget(now):
            log.warning("sms_expired", extra={"count": given_up})
        due = self._store.due(now, A_ROUND)
        taken = sum(self._try(one, now) for one in due if not self._stopping.is_set())
        self._measure()
        return taken

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._more.clear()
            try:
                taken = self.hand_over_due()
            except sqlite3.Error as error:
                log.warning("sms_store_failed", extra={"error": type(error).__name__})
                taken = 0
            except Exception:  # a defect must not keep every message back for good
                log.exception("failed", extra={"task": "sms"})
                taken = 0
            if not taken:
                self._more.wait(IDLE_SECONDS)

    def _try(self, one: Due, now: float) -> bool:
        try:
            opened = self._sealer.open(one.sealed, "sms", one.token_id)
            self._hand_over(self._webhook, msgspec.json.decode(opened, type=Message))
        except Refused as error:
            log.warning("sms_refused", extra={"why": str(error), "tries": one.tries + 1})
            self._store.refuse(one, str(error))
            return False
        except (NotTaken, CannotOpen) as error:
            self._failed(one, now, str(error))
            return False
        except Exception as error:  # noqa: BLE001  one message must not keep the others back; what it says may be a number
            self._failed(one, now, type(error).__name__)
            return False
        self._store.sent(one)
        return True

    def _measure(self) -> None:
        metrics.SMS_WAITING.set(self.waiting())
        metrics.SMS_REFUSED.set(sum(self._store.refused().values()))

    def _failed(self, one: Due, now: float, why: str) -> None:
        """Later again."""
        log.warning("sms_not_taken", extra={"why": why, "tries": one.tries + 1})
        wait = FIRST_SECONDS * 2 ** min(one.tries, DOUBLINGS)
        self._store.failed(one, now + min(wait, MOST_SECONDS))

    def _id(self, token_id: str, phone: str) -> str:
        """One for each number: whoever takes one message an id still takes that to a corrected number."""
        return self._sealer.mark(f"{token_id}/{phone}")

    def _now(self) -> float:
        return self._clock().timestamp()
