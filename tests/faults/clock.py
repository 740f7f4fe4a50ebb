"""A clock that jumps: worker processes read a shared offset, which the harness sets.

Python's `time.time` jumps, and with it Faust, aiokafka and kafka-python; so does the only `datetime.now` of the worker. The
clocks of Kafka and PostgreSQL stay: they are other processes, and no clock of this machine is touched.
"""

import mmap
import struct
from pathlib import Path

_FORMAT = "d"
CODE = """
    import datetime as _datetime, mmap as _mmap, struct as _struct, time as _time
    with open({path!r}, "r+b") as _file:
        _shared = _mmap.mmap(_file.fileno(), 8)
    _time.time = lambda right=_time.time: right() + _struct.unpack_from("d", _shared)[0]
    import pipeline.worker.app as _app
    class _Datetime(_app.datetime):
        @classmethod
        def now(cls, zone=None):
            return cls.fromtimestamp(_time.time(), zone)
    _app.datetime = _Datetime
"""


class Clock:
    """The offset, in seconds, in a file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock"
        self._path.write_bytes(struct.pack(_FORMAT, 0.0))
        with self._path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    @property
    def code(self) -> str:
        """What a worker process runs first."""
        return CODE.format(path=str(self._path))

    def jump(self, seconds: float) -> None:
        """From now on every worker's clock is so far off."""
        struct.pack_into(_FORMAT, self._shared, 0, seconds)

    def close(self) -> None:
        """Give the file back."""
        self._shared.close()
