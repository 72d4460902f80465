"""What every `cellar serve` command shares, its options and how they are carried out, and the command `cellar keys new`."""

from __future__ import annotations

import inspect
import ipaddress
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput

if TYPE_CHECKING:
    from cellar_shared.service.contract import ScoringService

BEHIND_ROUTER_VARIABLE: Final = "CELLAR_BEHIND_ROUTER"
METRICS_FOLDER_VARIABLE: Final = "CELLAR_METRICS_FOLDER"


@dataclass(frozen=True)
class ServeOptions:
    """How a service is run; each field is an option of every `cellar serve` command."""

    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one and says which.")]
    host: Annotated[str, typer.Option("--host", help="Off loopback, --keys is needed.")] = "127.0.0.1"
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes; about one a core.")] = 1
    keys: Annotated[Path | None, typer.Option("--keys", help="Ask for a key of this file (`cellar keys new` makes it).")] = None
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no key: the default on loopback.")] = False
    max_in_flight: Annotated[
        int, typer.Option("--max-in-flight", min=1, max=10_000, help="Requests that a process takes before it refuses further ones.")
    ] = 64
    max_wait_ms: Annotated[
        float, typer.Option("--max-wait-ms", min=1, max=600_000, help="What a request may wait for its turn before it is refused.")
    ] = 250.0
    drain_notice_s: Annotated[
        float,
        typer.Option("--drain-notice-s", min=0, max=600, help="After SIGTERM, serve on for this long: one period of the router's probes."),
    ] = 5.0
    metrics_port: Annotated[int | None, typer.Option("--metrics-port", min=0, max=65535, help="Serve GET /metrics there; 0: any.")] = None
    metrics_host: Annotated[str, typer.Option("--metrics-host", help="Where to; no key is asked for.")] = "127.0.0.1"


def with_serve_options(port: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command that takes `options: ServeOptions` each of them as an option of its own; `port` is its default port."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        keyword = inspect.Parameter.KEYWORD_ONLY
        hints = get_type_hints(function, include_extras=True)
        own = [
            inspect.Parameter(each.name, keyword, default=each.default, annotation=hints[each.name])
            for each in inspect.signature(function).parameters.values()
            if each.name != "options"
        ]
        of_options = get_type_hints(ServeOptions, include_extras=True)
        defaults = {each.name: port if each.name == "port" else each.default for each in fields(ServeOptions)}
        added = [inspect.Parameter(name, keyword, default=default, annotation=of_options[name]) for name, default in defaults.items()]

        def command(**given: Any) -> None:
            options = ServeOptions(**{name: given.pop(name) for name in defaults})
            function(**given, options=options)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__annotations__ = {each.name: each.annotation for each in [*own, *added]}
        command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # what inspect reads first
        return command

    return decorate


def run_service(name: str, build: Callable[[], ScoringService], options: ServeOptions) -> None:
    """Serve what `build` makes until SIGTERM or Ctrl-C, in this process or in several.

    In several, each runs this program's command line anew and comes to call this function too; `build` is called in those alone.
    Raises BadInput for options that do not go together, CellarError where the port is taken.
    """
    from cellar_shared.service.app import build_app
    from cellar_shared.service.keys import Keys
    from cellar_shared.service.limits import Limits
    from cellar_shared.service.listener import open_listener
    from cellar_shared.service.server import serve
    from cellar_shared.service.worker import inherited_link, serve_as_worker
    from cellar_shared.service.workers import Supervisor

    link = inherited_link()
    file = keys_file(options)
    keys = None if file is None else Keys(file)
    limits = Limits(options.max_in_flight, options.max_wait_ms)
    if link is not None:
        app = build_app(build(), keys=keys, limits=limits)
        sys.exit(serve_as_worker(app, app.state.readiness, link, options.drain_notice_s))

    reporter = Reporter()

    def listening(host: str, port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        workers = f", {options.workers} workers" if options.workers > 1 else ""
        reporter.say(f"{name} listens on http://{shown}:{port} (/docs says how to ask{workers})")

    with _metrics(options, reporter):
        if options.workers == 1:
            app = build_app(build(), keys=keys, limits=limits)
            leave = app.state.readiness.leave
            serve(app, options.host, options.port, on_listening=listening, on_leaving=leave, drain_notice_s=options.drain_notice_s)
            return
        with open_listener(options.host, options.port) as listener:
            port = listener.getsockname()[1]
            words = [sys.executable, *sys.orig_argv[1:]]
            told = lambda: listening(options.host, port)  # noqa: E731
            status = Supervisor(words, listener, options.workers, options.drain_notice_s, told).run()
    sys.exit(status)


def keys_file(options: ServeOptions) -> Path | None:
    """The keys file to ask by, None to ask for no key; BadInput where that would open a network to everybody."""
    if options.keys is not None and options.no_auth:
        raise BadInput("--keys and --no-auth exclude each other: give one of them.")
    if options.keys is not None or _is_loopback(options.host):
        return options.keys
    if not options.no_auth:
        raise BadInput(
            f"--host {options.host} can be reached from elsewhere: give --keys FILE (`cellar keys new NAME --file FILE` makes it)."
        )
    if os.environ.get(BEHIND_ROUTER_VARIABLE) != "1":
        raise BadInput(
            f"--no-auth with --host {options.host} would answer anybody: give --keys FILE, "
            f"or set {BEHIND_ROUTER_VARIABLE}=1 where a router stands in front that asks for keys and is the only one to reach this port."
        )
    return None


def keys_new(
    name: Annotated[str, typer.Argument(help="Whose key it is: letters, digits, '.', '_' and '-'.")],
    file: Annotated[Path | None, typer.Option("--file", help="Add it to this keys file; without, its line is shown.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="The moment it ends, like 2030-01-31T00:00:00Z.")] = None,
) -> None:
    """Make a key for whoever asks a service, and show it this once."""
    from cellar_shared.service.keys import append_line, new_key

    key, line = new_key(name, expires)
    reporter = Reporter()
    if file is not None:
        append_line(file, line)
        reporter.say(f"{file} holds its digest; services that use it know it within a second. The key itself is shown this once:")
    else:
        reporter.say("Put this line into the services' keys file:")
        sys.stderr.write(f"{line}\n")  # as it is: a console would wrap it
        reporter.say("The key itself is shown this once:")
    sys.stdout.write(f"{key}\n")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _metrics(options: ServeOptions, reporter: Reporter) -> Iterator[None]:
    """Serve the processes' metrics, added up, from the folder in which each leaves its own."""
    if options.metrics_port is None:
        yield
        return
    from cellar_shared.service.metrics_port import metrics_port
    from cellar_shared.telemetry.scrape import summed

    with tempfile.TemporaryDirectory(prefix="cellar-metrics-") as made:
        folder = os.environ.setdefault(METRICS_FOLDER_VARIABLE, made)
        with metrics_port(lambda: summed(Path(folder)), options.metrics_host, options.metrics_port) as port:
            reporter.say(f"metrics on http://{options.metrics_host}:{port}/metrics")
            yield
