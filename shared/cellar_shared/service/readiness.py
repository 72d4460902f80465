"""Whether this process may answer: loading, ready, waiting or failed for good with the reason, or leaving; `app` starts and asks it."""

from __future__ import annotations

import logging
import threading
import time

from cellar_shared.errors import CellarError
from cellar_shared.service.contract import NotYet, ScoringService
from cellar_shared.service.problems import Problem
from cellar_shared.telemetry import names
from cellar_shared.telemetry.logs import fault
from cellar_shared.telemetry.recorder import RECORDER

logger = logging.getLogger("cellar.service")

LOADING_RETRY_MS = 1000
LOAD_AGAIN_S = 2.0
LEAVING = "This process is about to stop: send what is new elsewhere, what is sent here is still answered."


class Readiness:
    """The state of one service's loading."""

    def __init__(self, service: ScoringService) -> None:
        self._service = service
        self._settled = threading.Event()
        self._refusal = Problem("not-ready", "Loading has not finished; try again.", retry_after_ms=LOADING_RETRY_MS)
        self.is_ready = False
        self._is_leaving = False

    def start(self) -> None:
        """Load in a thread that never holds up the process's exit."""
        RECORDER.set(names.READY, 0)
        threading.Thread(target=self._load, name=f"load-{self._service.name}", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Did loading end within `timeout_s`, well, badly, or for now?"""
        return self._settled.wait(timeout_s)

    def require(self) -> None:
        """Raises Problem not-ready unless the service is loaded."""
        if not self.is_ready:
            # A new instance each time: a raised exception collects its trace, and requests would share it.
            raise Problem("not-ready", self._refusal.detail, retry_after_ms=self._refusal.retry_after_ms)

    def leave(self) -> None:
        """Be not ready for whoever asks in order to send more, though requests are answered on."""
        self._is_leaving = True

    def require_lasting(self) -> None:
        """Raises Problem not-ready unless the service is loaded and stays for now: what the health routes say."""
        self.require()
        if self._is_leaving:
            raise Problem("not-ready", LEAVING)

    def _load(self) -> None:
        told = ""
        while (waits_for := self._tried()) is not None:
            if waits_for != told:  # once, not at every try
                logger.error("%s is not ready yet: %s", self._service.name, waits_for)
            told = waits_for
            self._settled.set()
            time.sleep(LOAD_AGAIN_S)
        self._settled.set()

    def _tried(self) -> str | None:
        """What loading has to wait for; None once it has ended for good, well or badly."""
        try:
            self._service.load()
        except NotYet as missing:
            detail = f"Not ready yet, loading is tried again every {LOAD_AGAIN_S:g} s: {missing}"
            self._refusal = Problem("not-ready", detail, retry_after_ms=round(LOAD_AGAIN_S * 1000))
            return str(missing)
        except CellarError as refusal:
            logger.error("%s is not ready: %s", self._service.name, refusal)
            self._refuse(str(refusal))
        except BaseException as error:  # SystemExit too: in a thread it would pass in silence and leave "loading"
            fault(logger, f"{self._service.name} is not ready: loading failed", error)
            # The text of an unexpected error may name paths and hosts; its kind is enough outside.
            self._refuse(f"{type(error).__name__}; the log of this process holds the trace.")
        else:
            self.is_ready = True
            RECORDER.set(names.READY, 1)
        return None

    def _refuse(self, reason: str) -> None:
        self._refusal = Problem("not-ready", f"Loading failed and will not be tried again: {reason}")
