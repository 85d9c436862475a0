"""The suite finds what is wrong: the skeleton passes, and each flaw written into it fails the check that is about it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from counterfoil.kit.conformance import CHECKS, ConformanceError, Harness, grade
from counterfoil.kit.conformance.suite import load_suite, main, run_check
from counterfoil.kit.errors import SetupError
from counterfoil.kit.scaffold import write_connector


@pytest.fixture
def skeleton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "flawed_connectors"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    write_connector("acme", package, "flawed_connectors")
    yield package / "acme"
    for name in [name for name in sys.modules if name.startswith("flawed_connectors")]:
        del sys.modules[name]


def harness_of(skeleton: Path) -> type[Harness]:
    importlib.invalidate_caches()
    return load_suite("flawed_connectors.acme.tests.test_conformance").harness


def spoil(skeleton: Path, file: str, good: str, bad: str) -> None:
    path = skeleton / file
    text = path.read_text()
    assert good in text
    path.write_text(text.replace(good, bad))


def test_the_skeleton_reads_writes_and_is_proven(skeleton: Path) -> None:
    report = grade(harness_of(skeleton))
    assert report.has_passed, report.text()
    assert report.grades == ("reads", "writes", "proven")
    assert {check.name for check in CHECKS} - {result.check.name for result in report.results} == {
        "stream_goes_on_after_a_position",
        "streamed_deliveries_normalize_with_what_they_need",
        "what_the_target_holds_is_listed",
    }
    assert report.text().endswith("acme: reads / writes / proven")


FLAWS = {
    "nothing says why resolving is safe": (
        "every_delivery_can_be_resolved_and_is_bounded",
        "deliver.py",
        "PUT by external key replaces the same customer; the API never makes a second one",
        "",
    ),
    "batches have no bound": ("every_delivery_can_be_resolved_and_is_bounded", "deliver.py", "batch_size_max=50", "batch_size_max=10**9"),
    "the key is a plain text": ("settings_named_like_secrets_are_secret", "config.py", "api_key: SecretStr", "api_key: str"),
    "there is no sandbox": ("the_declaration_is_complete", "__init__.py", "    sandbox=_sandbox,\n", ""),
    "deliveries come and nothing makes facts of them": ("the_declaration_is_complete", "__init__.py", "    source=_SOURCE,\n", ""),
    "nothing tells whether the target is there": ("the_declaration_is_complete", "__init__.py", "    target_check=check,\n", ""),
    "a missing field is a KeyError": (
        "damaged_payloads_raise_rejected_error_only",
        "normalize.py",
        'fetched.get(f"customer/{event.object_id}")',
        'fetched[f"customer/{event.object_id}"]',
    ),
    "damaged JSON is not caught": (
        "damaged_payloads_raise_rejected_error_only",
        "normalize.py",
        "except (msgspec.DecodeError, UnicodeDecodeError) as error",
        "except KeyError as error",
    ),
    "normalize counts its calls": (
        "normalize_is_pure_and_deterministic",
        "normalize.py",
        "timedelta(microseconds=1)\n",
        "timedelta(microseconds=1) + len(_CALLS)\n    _CALLS.append(1)\n",
    ),
    "an instant has no zone": (
        "samples_become_well_formed_facts",
        "normalize.py",
        "_utc(event.created, event.id), sequence",
        "_utc(event.created, event.id).replace(tzinfo=None), sequence",
    ),
    "ids have no namespace": ("samples_become_well_formed_facts", "normalize.py", 'id=f"acme:{customer.id}"', "id=customer.id"),
    "foreign objects are claimed": ("foreign_objects_are_not_located", "pull.py", 'if namespace == "acme" and', "if"),
    "an intake would need the key": (
        "an_intake_needs_no_more_settings_than_are_declared_for_it",
        "webhooks.py",
        "settings.body_size_max:",
        "settings.body_size_max or not settings.api_key:",
    ),
    "an intake would make other deliveries": (
        "an_intake_needs_no_more_settings_than_are_declared_for_it",
        "webhooks.py",
        "return (_delivery(body),)",
        "return (_delivery(body),) if hasattr(settings, 'api_key') else (_delivery(body), _delivery(body))",
    ),
    "the signature is not compared": (
        "forged_and_malformed_webhooks_are_refused",
        "webhooks.py",
        "if not any(",
        "if False and not any(",
    ),
    "stale webhooks are taken": (
        "forged_and_malformed_webhooks_are_refused",
        "webhooks.py",
        "abs(now.timestamp() - int(stamp)) > settings.tolerance_s",
        "False",
    ),
    "refusals answer with 500": ("forged_and_malformed_webhooks_are_refused", "webhooks.py", "status=401", "status=500"),
    "the same webhook has another key each time": (
        "genuine_webhooks_make_deliveries_with_stable_keys",
        "webhooks.py",
        "dedupe_key=event.id",
        "dedupe_key=str(id(object())) + str(__import__('time').monotonic_ns())",
    ),
    "the cursor stands still": (
        "polling_sees_changes_in_bounded_pages",
        "pull.py",
        "return Page(deliveries, end, page.has_more,",
        "return Page(deliveries, cursor, True,",
    ),
    "fetch leaves out what does not exist": (
        "fetch_answers_every_reference_once",
        "pull.py",
        "            found.append(Fetched",
        "            if response.is_ok:\n                found.append(Fetched",
    ),
    "a kind it does not say it tells of": (
        "samples_become_well_formed_facts",
        "__init__.py",
        "    source=_SOURCE,\n",
        '    source=_SOURCE,\n    tells=("invoice",),\n',
    ),
    "every sending makes a new one": (
        "every_command_is_delivered_exactly_once",
        "deliver.py",
        "quote(command.external_key, safe='')",
        "quote(command.external_key + str(__import__('time').monotonic_ns()), safe='')",
    ),
    "an outcome is forgotten": (
        "every_command_is_delivered_exactly_once",
        "deliver.py",
        "    return tuple(outcomes)\n",
        "    return tuple(outcomes[:1])\n",
    ),
    "one refusal fails the batch": (
        "one_bad_record_fails_alone",
        "deliver.py",
        "outcomes.append(_refused(command, error))",
        "return tuple(_refused(c, error) for c in batch)",
    ),
    "the target makes a second one of a lost answer": (
        "answers_lost_after_a_write_double_nothing",
        "sandbox/__init__.py",
        'customer_id = self.by_key.setdefault(key, f"c_{len(self.customers) + 1}")',
        'customer_id = f"c_{len(self.customers) + 1}"\n        self.by_key.setdefault(key + customer_id, customer_id)',
    ),
    "a failed call is lost": (
        "requests_lost_before_a_write_lose_nothing",
        "deliver.py",
        "status = OutcomeStatus.UNKNOWN if error.is_outcome_unknown else OutcomeStatus.RETRY",
        "status = OutcomeStatus.DONE",
    ),
    "resolving makes another one": (
        "resolving_acts_at_most_once",
        "deliver.py",
        "resolve=upsert_customers,",
        "resolve=lambda ctx, batch, bound: upsert_customers(ctx, [__import__('dataclasses').replace("
        "c, external_key=c.external_key + str(__import__('time').monotonic_ns())) for c in batch], bound),",
    ),
    "resolving finds nothing": (
        "resolving_acts_at_most_once",
        "deliver.py",
        "resolve=upsert_customers,",
        "resolve=lambda ctx, batch, bound: __import__('asyncio').sleep(0, tuple(Outcome(c.id, OutcomeStatus.RETRY) for c in batch)),",
    ),
    "the vendor's words are repeated": (
        "no_secret_shows_in_errors_logs_or_outcomes",
        "client.py",
        "        return msgspec.json.decode(response.body, type=_Refusal).error\n",
        "        return response.body.decode()\n",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_fails_the_check_that_is_about_it(skeleton: Path, flaw: str) -> None:
    name, file, good, bad = FLAWS[flaw]
    if flaw == "normalize counts its calls":
        spoil(skeleton, file, "_HANDLED = {", "_CALLS: list[int] = []\n_HANDLED = {")
    if flaw == "the target makes a second one of a lost answer":
        counted = "sum(known.startswith(command.external_key) for known in self.sandbox.by_key)"
        spoil(skeleton, "tests/test_conformance.py", "sum(known == customer_id for known in self.sandbox.customers)", counted)
    spoil(skeleton, file, good, bad)
    check = next(check for check in CHECKS if check.name == name)
    harness = harness_of(skeleton)
    assert check.applies(harness())
    with pytest.raises(ConformanceError):
        run_check(check, harness)


def test_a_connector_that_tells_what_moved_on_a_balance_says_that_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = load_suite("counterfoil.connectors.stripe.tests.test_conformance").harness
    monkeypatch.setattr(harness, "connector", replace(harness.connector, has_balance=False))
    check = next(check for check in CHECKS if check.name == "samples_become_well_formed_facts")
    with pytest.raises(ConformanceError, match="which has_balance denies"):
        run_check(check, harness)


def test_a_reader_that_is_flawed_keeps_its_writing_grade_and_is_not_proven(skeleton: Path) -> None:
    spoil(skeleton, "pull.py", 'if namespace == "acme" and', "if")
    report = grade(harness_of(skeleton))
    assert (report.has_passed, report.grades) == (False, ("writes",))
    assert "locate claims a foreign customer" in report.text()


def test_a_test_module_without_a_suite_is_named(skeleton: Path) -> None:
    with pytest.raises(SetupError, match="has no class TestConformance"):
        load_suite("flawed_connectors.acme.tests.test_normalize")
    with pytest.raises(SetupError, match="cannot be imported"):
        load_suite("flawed_connectors.nobody.tests.test_conformance")


def test_the_report_is_printed_and_the_exit_code_says_whether_all_passed(skeleton: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flawed_connectors.acme"]) == 0
    assert capsys.readouterr().out.strip().endswith("acme: reads / writes / proven")
