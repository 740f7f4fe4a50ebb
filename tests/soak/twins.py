"""Broken gateways: each leaves out what keeps a 202, and the soak must go red. The code runs in the gateway's process."""

EARLY = """
    import asyncio
    from producers.gateway.way_in import Accepted, WayIn
    async def take(self, received, source, sent=None, nonce="", once=""):
        record = self.record(received, source, sent)
        asyncio.get_running_loop().call_later(1.5, lambda: self.spool.append(record, nonce=nonce, once=once))
        return Accepted(received.event_id, received.received_at, False)
    WayIn.take = take
"""
HOPEFUL = """
    from contextlib import suppress
    from producers.spool.kafka_sink import KafkaSink
    from producers.spool.sink import Unsent
    send = KafkaSink.send
    def hopeful(self, rows):
        with suppress(Unsent):
            send(self, rows)
    KafkaSink.send = hopeful
"""
TWINS = {"early": EARLY, "hopeful": HOPEFUL}
"""early: 202 before it is on the disk. hopeful: what was given to Kafka counts as sent, acknowledged or not."""
