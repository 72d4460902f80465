"""Serves `GET /metrics` on a port of its own, from a thread, so that scrapes never queue behind requests; `command` runs it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cellar_shared.errors import CellarError

logger = logging.getLogger("cellar.service")

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
CLIENT_WITHIN_S: Final = 10.0


@contextmanager
def metrics_port(content: Callable[[], bytes], host: str, port: int) -> Iterator[int]:
    """Serve what `content` returns while the block runs; the real port. Raises CellarError where the address cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_WITHIN_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            try:
                body = content()
            except Exception:
                logger.exception("the metrics cannot be put together")
                self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "cellar"

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes come every few seconds; nobody reads a line for each."""

    class Port(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            logger.debug("a scrape broke off", exc_info=True)

    try:
        server = Port((host, port), Handler)
    except OSError as error:
        raise CellarError(f"Cannot serve metrics on {host} port {port} ({error.strerror}): choose another --metrics-port.") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="metrics-port", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
