import logging

from producers.gateway.logs import Lines


def test_a_line_has_the_events_fields() -> None:
    record = logging.makeLogRecord({"msg": "away", "levelname": "WARNING", "task": "devices", "created": 0})
    assert (
        Lines().format(record) == f"{Lines().formatTime(record, Lines().datefmt)} WARNING away task=devices"
    )
