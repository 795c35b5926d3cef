"""HTTP servers of a program, each in a thread of its own."""

import threading
from collections.abc import Mapping
from typing import Any

import uvicorn

from aegle.carrier import Application, Carrier
from aegle.errors import Overloaded


class HttpServer:
    """An application on one address: of the carrier's kind, or ASGI. Access logs are off: a path can hold what a log may not."""

    def __init__(self, application: Any, bind: str, port: int, tls: Mapping[str, Any] | None = None) -> None:
        """`tls` holds uvicorn's settings for HTTPS, of ASGI."""
        self._carrier = Carrier(application, bind, port) if isinstance(application, Application) else None
        settings = uvicorn.Config(
            application,
            host=bind,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=512,
            timeout_keep_alive=30,
            **(tls or {}),
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, name=f"http-{port}", daemon=True)
        self._port = port

    def start(self) -> None:
        """Listen; returns once connections are taken. Raises Overloaded when the port is not to be had."""
        if self._carrier is not None:
            self._carrier.start()
            return
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            if not self._thread.is_alive():
                raise Overloaded(f"port {self._port} is taken; stop what uses it or set another in aegle.yaml")

    def stop(self) -> None:
        """Let running requests end, then stop."""
        if self._carrier is not None:
            self._carrier.stop()
            return
        self._server.should_exit = True
        self._thread.join(timeout=10)
