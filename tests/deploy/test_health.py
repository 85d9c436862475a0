"""Probes: what live and ready say of a process that starts, works, loses its database, hangs and ends."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from counterfoil.app.health import Health, database_answers, health_app
from counterfoil.app.settings import from_values
from counterfoil.app.working import Roles, at_work
from counterfoil.ingress.server import serving
from counterfoil.kit.errors import SetupError
from counterfoil.store.pool import Pool

Answer = tuple[int, dict[str, Any]]


async def ask(url: str) -> Answer:
    """Return the status and what an address says."""

    def get() -> Answer:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    return await asyncio.to_thread(get)


async def test_a_process_is_ready_between_its_start_and_its_leave(pool: Pool) -> None:
    health = Health(ready={"database": database_answers(pool)})
    async with serving(health_app(health), "127.0.0.1", 0) as address:
        started = {"started": False, "staying": True}
        assert await ask(f"{address}/health/ready") == (503, {"status": "not ready", "checks": started})
        assert await ask(f"{address}/health/live") == (200, {"status": "live", "checks": {}})
        health.is_started = True
        well = {"started": True, "staying": True, "database": True}
        assert await ask(f"{address}/health/ready") == (200, {"status": "ready", "checks": well})
        health.is_ending = True
        assert (await ask(f"{address}/health/ready"))[0] == 503
        assert (await ask(f"{address}/health/live"))[0] == 200


async def test_a_database_that_is_away_makes_a_process_unready_and_is_no_reason_to_restart_it(pool: Pool) -> None:
    health = Health(live={"engine": lambda: True}, ready={"database": database_answers(pool)}, is_started=True)
    await pool.close()
    async with serving(health_app(health), "127.0.0.1", 0) as address:
        assert (await ask(f"{address}/health/ready"))[1]["checks"]["database"] is False
        assert (await ask(f"{address}/health/live"))[0] == 200


async def test_an_engine_whose_ticks_no_longer_come_is_a_reason_to_restart() -> None:
    health = Health(live={"engine": lambda: False}, is_started=True)
    async with serving(health_app(health), "127.0.0.1", 0) as address:
        assert await ask(f"{address}/health/live") == (503, {"status": "not live", "checks": {"engine": False}})


async def test_an_intake_says_it_is_leaving_before_it_takes_no_more(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database)
    settings = from_values({"hub": {"home": str(tmp_path / "home"), "health_port": 0, "linger_s": 2.0}})
    leaving = asyncio.Event()

    async def serve(told: asyncio.Future[tuple[str, str]]) -> None:
        async with at_work(settings, Roles(host="127.0.0.1", port=0, is_worker=False)) as working:
            told.set_result((working.address, working.health))
            await leaving.wait()

    told: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(told))
    address, health = await told
    assert (await ask(f"{address}/health/ready"))[0] == 200
    assert (await ask(f"{health}/health/ready"))[1]["checks"] == {"started": True, "staying": True, "database": True}
    leaving.set()
    await asyncio.sleep(0)
    said = [(await ask(f"{where}/health/ready"))[0] for where in (address, health)]
    still = await ask(f"{address}/in/nobody")
    await task
    assert said == [503, 503]
    assert still[0] == 405, "it answers as before while it lingers"
    with pytest.raises(urllib.error.URLError):
        await ask(f"{address}/health/ready")


async def test_a_worker_without_an_intake_answers_probes_on_a_port_of_its_own(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database)
    settings = from_values({"hub": {"home": str(tmp_path / "home"), "health_port": 0}})
    async with at_work(settings, Roles(worker="one")) as working:
        assert await ask(f"{working.health}/health/live") == (200, {"status": "live", "checks": {"engine": True}})
        ready = {"started": True, "staying": True, "database": True, "worker": True}
        assert await ask(f"{working.health}/health/ready") == (200, {"status": "ready", "checks": ready})
        monkeypatch.setattr("counterfoil.engine.engine.TICK_LATE_S", -1.0)
        assert (await ask(f"{working.health}/health/live"))[0] == 503


async def test_a_health_port_that_is_taken_is_told_with_its_setting(tmp_path: Path) -> None:
    async with serving(health_app(Health()), "127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        settings = from_values({"hub": {"home": str(tmp_path / "home"), "health_port": port}})
        with pytest.raises(SetupError, match=rf"cannot listen on 127\.0\.0\.1:{port}.*health_port") as caught:
            async with at_work(settings, Roles(host="127.0.0.1", is_worker=False)):
                pass
    assert caught.value.code == "intake.address"
