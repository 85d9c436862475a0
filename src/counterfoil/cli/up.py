"""`counterfoil up`: the hub at work in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.output import print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, fail, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from counterfoil.app.working import Serving

END_WITHIN_S = 20.0
"""After the wait for turns under way, everything else has so long to close before the process just ends."""


def up(
    no_work: Annotated[
        bool, typer.Option("--no-work", help="Only take deliveries, with just the secrets that takes; another process works.")
    ] = False,
    no_intake: Annotated[
        bool, typer.Option("--no-intake", help="Only work (poll, read, decide, post); another process takes deliveries.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on instead of the configuration's.")] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port instead of the configuration's; 0: a free one.")] = None,
    worker: Annotated[
        str,
        typer.Option(
            envvar="COUNTERFOIL_WORKER", help="This worker's name, one per process; otherwise the host's name, numbered from the second on."
        ),
    ] = "",
    health_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Answer health checks on this port too, instead of the configuration's; 0: a free one."),
    ] = None,
    no_migrate: Annotated[
        bool, typer.Option("--no-migrate", help="Leave the schema as it is and refuse an older one; `counterfoil migrate` was run.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Run the hub: take deliveries, poll, read, decide, post, until stopped (Ctrl-C, SIGTERM).

    Prints the address of each connection's webhooks. Several may run at once, on one host or many, on one PostgreSQL: they share the work.
    Stopping is safe at any time and takes seconds: what is under way is finished or handed to the others, or taken up at the next start. A
    second Ctrl-C or SIGTERM ends at once.
    """
    if no_work and no_intake:
        fail("--no-work and --no-intake together leave nothing to do")
    changed: dict[str, Any] = {"health_port": health_port} if health_port is not None else {}
    changed |= {"does_migrate": False} if no_migrate else {}
    run(_serve(config, None if no_intake else (host, port), None if no_work else worker, changed, as_json), is_fast=True)
    words.print("Stopped.")


async def _serve(
    config: Path, intake: tuple[str, int | None] | None, worker: str | None, changed: Mapping[str, Any], as_json: bool
) -> None:
    from counterfoil.app.logs import working
    from counterfoil.app.settings import load
    from counterfoil.app.working import Roles, at_work

    working()
    settings = load(config, is_intake=worker is None)
    settings = replace(settings, hub=settings.hub.model_copy(update=changed))
    host, port = intake if intake else ("", None)
    roles = Roles(
        host=(host or settings.hub.host) if intake else "",
        port=settings.hub.port if port is None else port,
        is_worker=worker is not None,
        worker=worker or "",
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: signal.Signals) -> None:
        stop.set()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, _end_now, 128 + one)
        _end_in_time(settings.hub.linger_s + settings.hub.stop_wait_s + END_WITHIN_S)
        words.print(f"{number.name}: finishing what is under way ...")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop, number)
    async with at_work(settings, roles) as serving:
        _announce(serving, as_json)
        await stop.wait()


def _end_now(status: int) -> None:
    """End without any more ado: all that matters is in the database, and other workers take over."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end_in_time(after_s: float) -> None:
    """Have the process end even if something in it never does."""
    watch = threading.Timer(after_s, _end_now, args=[1])
    watch.daemon = True
    watch.start()


def _announce(serving: Serving, as_json: bool) -> None:
    if as_json:
        told = {"address": serving.address, "webhooks": serving.webhooks, "worker": serving.worker}
        print_json(told | ({"health": serving.health} if serving.health else {}) | _notice(serving))
    elif serving.webhooks:
        rows = [(name, address) for name, address in serving.webhooks.items()]
        print_table("Webhook addresses", ["connection", "deliver to"], rows)
    sys.stdout.flush()
    if serving.address:
        words.print(f"Taking deliveries at {serving.address}; vendors need it reachable over https (put a TLS proxy in front).")
    if serving.hub.rules_notice:
        words.print(serving.hub.rules_notice, style="yellow", markup=False)
    if serving.worker:
        words.print(f"Working as {serving.worker!r}. Stop with Ctrl-C.", markup=False)


def _notice(serving: Serving) -> dict[str, str]:
    return {"rules_notice": serving.hub.rules_notice} if serving.hub.rules_notice else {}
