"""The Compose file: valid by the specification's schema, loopback only, and every file, argument and setting in it exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.deploy.reading import DEPLOY, complaints, configured, documents, hub_settings, is_an_intake_only, is_understood

from counterfoil.app.settings import load


@pytest.fixture
def compose() -> dict[str, Any]:
    (found,) = documents(DEPLOY / "compose.yaml")
    return found


def _hub(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: compose["services"][name] for name in ("migrate", "ingress", "worker")}


def test_it_keeps_to_the_compose_specification(compose: dict[str, Any]) -> None:
    assert complaints(compose, "compose-spec.json") == []
    broken = compose | {"services": compose["services"] | {"worker": {"imagge": "x"}}}
    assert len(complaints(broken, "compose-spec.json")) == 1


def test_every_service_that_stays_is_checked_and_databases_come_first(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if "test" in service.get("healthcheck", {})} == {"hub-db", "odoo-db", "odoo"}
    for name in ("ingress", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert "healthcheck" not in services[name], "the image's own check"
    assert services["migrate"]["depends_on"]["hub-db"] == {"condition": "service_healthy"}


def test_ports_are_published_on_loopback_and_only_by_services_that_are_not_scaled(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(published) == {"ingress", "odoo"}
    assert [port for ports in published.values() for port in ports if not port.startswith("127.0.0.1:")] == []


def test_secrets_are_files_and_each_is_declared(compose: dict[str, Any]) -> None:
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert used == set(compose["secrets"])
    assert {secret["file"] for secret in compose["secrets"].values()} == {f"./secrets/{name}" for name in used}
    assert (DEPLOY / "secrets" / ".gitignore").read_text("utf-8") == "*\n!.gitignore\n"
    assert all("PASSWORD" not in name or name.endswith("_FILE") for s in compose["services"].values() for name in s.get("environment", {}))


def test_the_hub_runs_without_rights_on_a_file_system_it_cannot_change(compose: dict[str, Any]) -> None:
    for service in _hub(compose).values():
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert is_understood(service["command"])
        # Lingering, then what was taken is committed (10 s), then turns end (10 s).
        assert hub_settings(service["environment"]).linger_s + 20 < float(service["stop_grace_period"].removesuffix("s"))


def test_the_example_configuration_is_valid_with_the_secrets_each_process_is_given(tmp_path: Path, compose: dict[str, Any]) -> None:
    services = _hub(compose)
    worker = configured(DEPLOY / "counterfoil.toml", services["worker"]["secrets"], tmp_path / "worker", "sk_test_1")
    assert load(worker).connections["books"].settings.concurrency == 2
    intake = configured(DEPLOY / "counterfoil.toml", services["ingress"]["secrets"], tmp_path / "ingress")
    assert set(load(intake, is_intake=True).connections) == {"stripe_de", "books"}
    assert is_an_intake_only(intake)


def test_the_intake_reaches_its_database_and_no_system_connected(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services["ingress"]["networks"]) == {"hub"} == set(services["hub-db"]["networks"])
    assert "hub" not in services["odoo"]["networks"]
    assert set(services["odoo"]["networks"]) & set(services["worker"]["networks"]) == {"books"}
