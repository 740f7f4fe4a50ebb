"""An application on a port of its own, in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.applications import Starlette

from tests.wait import wait_for


@contextmanager
def served(app: Starlette, lifespan: Literal["on", "off"] = "on") -> Iterator[str]:
    """Its address, as long as it is served."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            port=0,
            log_level="error",
            ws="none",
            lifespan=lifespan,
            access_log=False,
            proxy_headers=False,  # as the gateway is served: it decides itself whom to believe
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 20, "the server")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
