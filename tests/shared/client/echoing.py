"""The frame tests' echo service as a program: `echoing.py PORT [wait]`; with `wait` it is ready once a line arrives on standard input."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

from cellar_shared.service.app import build_app
from cellar_shared.service.limits import Limits
from cellar_shared.service.server import serve

spec = importlib.util.spec_from_file_location("service_echo", Path(__file__).parents[1] / "service" / "echo.py")
assert spec
assert spec.loader
echo = importlib.util.module_from_spec(spec)
sys.modules["service_echo"] = echo  # msgspec looks annotations up there
spec.loader.exec_module(echo)

if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    load = sys.stdin.readline if "wait" in sys.argv else (lambda: None)
    app = build_app(echo.Echo(load), limits=Limits(max_wait_ms=60_000))  # a busy machine is not what is asked about
    serve(app, port=int(sys.argv[1]), on_listening=lambda host, port: print(port, flush=True))  # noqa: T201
