"""Starts telemetry in a process that serves, and ends it within a bound; the app's lifespan calls both."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cellar_shared.telemetry import names
from cellar_shared.telemetry.logs import configure
from cellar_shared.telemetry.receivers import Receiver
from cellar_shared.telemetry.recorder import RECORDER, Recorder
from cellar_shared.telemetry.requests import TracerInUse
from cellar_shared.telemetry.settings import METRICS_FOLDER, TelemetrySettings
from cellar_shared.telemetry.snapshots import SnapshotWriter

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

logger = logging.getLogger("cellar.telemetry")

# Libraries that speak of what they send and where to, keys included; `otel` counts and tells their failures instead.
_HUSHED: Final = ("opentelemetry", "azure", "urllib3", "requests")


class Telemetry:
    """A process's exporters at work."""

    def __init__(self, settings: TelemetrySettings, service: str, recorder: Recorder = RECORDER) -> None:
        self._stop_s = settings.stop_ms / 1000
        self._handler = configure(settings.log)
        self._closers: list[Callable[[], None]] = []
        try:
            self._start(settings, service, recorder)
        except BaseException:
            self.stop()
            raise

    def _start(self, settings: TelemetrySettings, service: str, recorder: Recorder) -> None:
        if settings.metrics_folder is not None:
            self._write_snapshots(settings.metrics_folder, settings.snapshot_ms, recorder)
        receivers = [Receiver.otlp()] if settings.has_otlp else []
        if settings.azure is not None:
            receivers.append(Receiver.azure(settings.azure))
        if receivers:
            self._connect(receivers, _resource(settings, service), recorder, settings.metrics_interval_ms)

    def _write_snapshots(self, folder: Path, every_ms: int, recorder: Recorder) -> None:
        try:
            snapshots = SnapshotWriter(recorder, folder, every_ms)
        except OSError as error:  # a service that can answer answers, seen or unseen
            logger.error("%s is %s, and it cannot be written (%s): metrics are not kept", METRICS_FOLDER, folder, error.strerror)
        else:
            self._closers.append(lambda: snapshots.close(self._stop_s))

    def _connect(self, receivers: list[Receiver], resource: Resource, recorder: Recorder, interval_ms: int) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ParentBased

        from cellar_shared.telemetry.otel import Pipeline

        for name in _HUSHED:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Its sampler is what OTEL_TRACES_SAMPLER says.
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        for receiver in receivers:
            self._closers.append(Pipeline(receiver, resource, recorder, interval_ms, tracers).close)
        self._closers.append(tracers.shutdown)
        TracerInUse.follows_caller = isinstance(tracers.sampler, ParentBased)
        TracerInUse.tracer = tracers.get_tracer(names.SCOPE)

    def stop(self) -> None:
        """Send what is left, for at most CELLAR_TELEMETRY_STOP_MS altogether; what a dead receiver holds up is left behind."""
        TracerInUse.tracer, TracerInUse.follows_caller = None, False
        closing = [threading.Thread(target=_quietly, args=(close,), daemon=True) for close in self._closers]
        end = time.monotonic() + self._stop_s
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, end - time.monotonic()))
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)


def _quietly(close: Callable[[], None]) -> None:
    with suppress(Exception):
        close()


def _resource(settings: TelemetrySettings, service: str) -> Resource:
    from opentelemetry.sdk.resources import Resource

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {names.SERVICE_NAME.name: f"cellar-{service}"}
    return Resource.create({names.SERVICE_INSTANCE.name: str(os.getpid()), names.DEPLOYMENT.name: settings.deployment} | named)
