"""The cluster's manifests: valid by the published schemas, complete, without rights, and with probes and times that fit the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.deploy.reading import DEPLOY, complaints, configured, documents, hub_settings, is_an_intake_only, is_understood

from counterfoil.app.settings import HUB_VARIABLES, load
from counterfoil.store.pool import Conn

BASE = DEPLOY / "kubernetes" / "base"
KEDA = DEPLOY / "kubernetes" / "keda"
API = "io.k8s.api."
KINDS = {
    ("v1", "ServiceAccount"): f"{API}core.v1.ServiceAccount",
    ("v1", "Service"): f"{API}core.v1.Service",
    ("apps/v1", "Deployment"): f"{API}apps.v1.Deployment",
    ("batch/v1", "Job"): f"{API}batch.v1.Job",
    ("networking.k8s.io/v1", "Ingress"): f"{API}networking.v1.Ingress",
    ("networking.k8s.io/v1", "NetworkPolicy"): f"{API}networking.v1.NetworkPolicy",
    ("policy/v1", "PodDisruptionBudget"): f"{API}policy.v1.PodDisruptionBudget",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): f"{API}autoscaling.v2.HorizontalPodAutoscaler",
}
MANIFESTS = [d for path in sorted(BASE.glob("*.yaml")) if path.name != "kustomization.yaml" for d in documents(path)]
PODS = {d["metadata"]["name"]: d["spec"]["template"]["spec"] for d in MANIFESTS if "template" in d.get("spec", {})}


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = [d for d in MANIFESTS if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
def test_every_manifest_keeps_to_the_published_schema(manifest: dict[str, Any]) -> None:
    definition = KINDS[manifest["apiVersion"], manifest["kind"]]
    assert complaints(manifest, "kubernetes-1.34.json", definition) == []
    assert complaints(manifest | {"speck": {}}, "kubernetes-1.34.json", definition) != []
    assert "namespace" not in manifest["metadata"]


def test_what_is_applied_is_all_there_is() -> None:
    (base,) = documents(BASE / "kustomization.yaml")
    listed = {*base["resources"], *base["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert {path.name for path in BASE.iterdir()} == listed
    images = {c["image"] for pod in PODS.values() for c in [*pod.get("initContainers", []), *pod["containers"]]}
    assert images == {base["images"][0]["name"]}


def test_every_pod_runs_under_the_restricted_profile() -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    for pod in PODS.values():
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert is_understood(container["args"])


def test_a_rollout_waits_for_the_schema_and_takes_no_intake_away() -> None:
    for name in ("counterfoil-ingress", "counterfoil-worker"):
        deployment = one("Deployment", name)
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        (first,) = PODS[name]["initContainers"]
        assert first["args"][:2] == ["migrate", "--check"]
        given = {one["name"]: one["value"] for one in PODS[name]["containers"][0]["env"]}
        assert given[f"{HUB_VARIABLES}DOES_MIGRATE"] == "false"
    assert PODS["counterfoil-migrate"]["containers"][0]["args"][0] == "migrate"


def test_probes_ask_the_health_port_and_a_pod_is_given_the_time_to_end() -> None:
    for name in ("counterfoil-ingress", "counterfoil-worker"):
        (container,) = PODS[name]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["health"] == 8401
        asked = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert [asked[kind]["path"].rpartition("/")[2] for kind in asked] == ["live", "live", "ready"]
        assert {probe["port"] for probe in asked.values()} == {"health"}
        given = {one["name"]: one["value"] for one in container["env"]}
        assert hub_settings(given).linger_s + 20 < PODS[name]["terminationGracePeriodSeconds"]
        assert "periodSeconds" in container["startupProbe"]


def test_pods_are_given_the_secrets_they_need_and_the_intake_no_key_of_a_system_connected(tmp_path: Path) -> None:
    (intake,) = [volume["secret"] for volume in PODS["counterfoil-ingress"]["volumes"] if volume["name"] == "secrets"]
    given = [item["path"] for item in intake["items"]]
    assert given == [item["key"] for item in intake["items"]] == ["database_url", "encryption_keys", "stripe_webhook_secret"]
    assert is_an_intake_only(configured(BASE / "counterfoil.toml", given, tmp_path / "ingress"))
    (worker,) = [volume["secret"] for volume in PODS["counterfoil-worker"]["volumes"] if volume["name"] == "secrets"]
    assert (worker["secretName"], "items" in worker) == (intake["secretName"], False)
    everything = [*given, "odoo_api_key", "stripe_api_key"]
    assert (
        load(configured(BASE / "counterfoil.toml", everything, tmp_path / "worker", "rk_live_1")).connections["stripe_de"].settings.is_live
    )


def test_only_workers_reach_the_systems_connected() -> None:
    policies = [d["spec"] for d in MANIFESTS if d["kind"] == "NetworkPolicy"]
    labels = {
        name: one("Deployment", name)["spec"]["template"]["metadata"]["labels"] for name in ("counterfoil-ingress", "counterfoil-worker")
    }
    reached = {
        name: {
            port["port"]
            for policy in policies
            if policy["podSelector"]["matchLabels"].items() <= {**mine, "app.kubernetes.io/name": "counterfoil"}.items()
            for rule in policy.get("egress", [])
            for port in rule["ports"]
        }
        for name, mine in labels.items()
    }
    assert reached == {"counterfoil-ingress": {53, 5432}, "counterfoil-worker": {53, 5432, 443}}


def test_selectors_meet_the_pods_they_mean() -> None:
    labels = {d["metadata"]["name"]: d["spec"]["template"]["metadata"]["labels"] for d in MANIFESTS if d["kind"] == "Deployment"}
    chosen = {
        "counterfoil-ingress": [
            one("Service", "counterfoil")["spec"]["selector"],
            one("PodDisruptionBudget", "counterfoil-ingress")["spec"]["selector"]["matchLabels"],
            one("NetworkPolicy", "counterfoil-deliveries")["spec"]["podSelector"]["matchLabels"],
        ],
        "counterfoil-worker": [one("PodDisruptionBudget", "counterfoil-worker")["spec"]["selector"]["matchLabels"]],
    }
    for name, selectors in chosen.items():
        assert [selector for selector in selectors if not selector.items() <= labels[name].items()] == []
    assert one("HorizontalPodAutoscaler", "counterfoil-ingress")["spec"]["scaleTargetRef"]["name"] in labels


def test_scaling_keeps_to_the_published_definitions_of_keda() -> None:
    for document in documents(KEDA / "scaling.yaml"):
        assert complaints(document, "keda-2.16.json", document["kind"]) == []
        assert complaints(document | {"speck": {}}, "keda-2.16.json", document["kind"]) != []


async def test_the_query_workers_are_scaled_by_is_answered_without_work_too(conn: Conn) -> None:
    (trigger,) = documents(KEDA / "scaling.yaml")[0]["spec"]["triggers"]
    row = await (await conn.execute(trigger["metadata"]["query"])).fetchone()
    assert row == (0.0,)
    login = documents(KEDA / "scaling.yaml")[1]
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
