"""The suite as a pytest class and as a graded report.

A connector's whole conformance test is::

    class TestConformance(Conformance):
        harness = AcmeHarness
"""

from __future__ import annotations

import asyncio
import importlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from counterfoil.kit.conformance import declaration, listening, normalizing, polling, secrecy, writing
from counterfoil.kit.conformance.check import Check, CheckedPart, has_source, has_target
from counterfoil.kit.conformance.harness import Harness
from counterfoil.kit.errors import SetupError

CHECKS: tuple[Check, ...] = (*declaration.CHECKS, *normalizing.CHECKS, *polling.CHECKS, *listening.CHECKS, *writing.CHECKS, *secrecy.CHECKS)


class Conformance:
    """Subclass it as ``TestConformance`` and name the harness: it grows one test per check that applies to the connector."""

    harness: ClassVar[type[Harness]]

    def __init_subclass__(cls, **options: Any) -> None:
        """Add a test method for every applicable check."""
        super().__init_subclass__(**options)
        for check in applicable(cls.harness):
            setattr(cls, f"test_{check.name}", _as_test(check, cls.harness))


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended; ``problem`` empty: passed."""

    check: Check
    problem: str


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one connector and the grades they give."""

    connector: str
    results: tuple[CheckResult, ...]
    grades: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """Whether no check failed."""
        return all(not result.problem for result in self.results)

    def text(self) -> str:
        """Return the report for people."""
        lines = [f"{'ok  ' if not r.problem else 'FAIL'}  {r.check.part.value:<12} {r.check.name.replace('_', ' ')}" for r in self.results]
        problems = [f"\n{r.check.name}:\n{r.problem}" for r in self.results if r.problem]
        return "\n".join([*lines, *problems, f"\n{self.connector}: {' / '.join(self.grades) or 'not usable yet'}"])


def applicable(harness: type[Harness]) -> tuple[Check, ...]:
    """Return the checks that are about something this connector has."""
    probe = harness()
    return tuple(check for check in CHECKS if check.applies(probe))


def run_check(check: Check, harness: type[Harness]) -> None:
    """Run one check in its own event loop; raises what the check raises."""
    asyncio.run(check.run(harness))


def grade(harness: type[Harness]) -> Report:
    """Run every applicable check and return the report.

    Grades: ``reads`` and ``writes`` when all checks of that half (and of the declaration) pass; ``proven`` when everything passes and the
    sandbox was made to fail while doing so.
    """
    results = tuple(CheckResult(check, _problem(check, harness)) for check in applicable(harness))
    probe = harness()
    failed = {result.check.part for result in results if result.problem}
    grades = []
    if has_source(probe) and not failed & {CheckedPart.DECLARATION, CheckedPart.READS}:
        grades.append("reads")
    if has_target(probe) and not failed & {CheckedPart.DECLARATION, CheckedPart.WRITES}:
        grades.append("writes")
    if not failed and probe.switch() is not None:
        grades.append("proven")
    return Report(probe.connector.name, results, tuple(grades))


def load_suite(module: str) -> type[Conformance]:
    """Return the Conformance class of a test module. Raises SetupError if there is none."""
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise SetupError(f"{module} cannot be imported: {error}", code="connector.no_conformance") from error
    for value in vars(loaded).values():
        if isinstance(value, type) and issubclass(value, Conformance) and value is not Conformance:
            return value
    raise SetupError(f"{module} has no class TestConformance(Conformance)", code="connector.no_conformance")


def main(names: Sequence[str]) -> int:
    """Grade connectors, print a report each and return 0 if all checks pass, else 1.

    A name is a connector's of this package, or the dotted name of another package's connector.
    """
    packages = [name if "." in name else f"counterfoil.connectors.{name}" for name in names]
    reports = [grade(load_suite(f"{package}.tests.test_conformance").harness) for package in packages]
    for report in reports:
        print(report.text())
    return 0 if all(report.has_passed for report in reports) else 1


def _problem(check: Check, harness: type[Harness]) -> str:
    try:
        run_check(check, harness)
    except AssertionError as error:
        return str(error)
    except Exception:
        # The outermost loop of the suite: whatever a connector raises is its problem, and the next check still runs.
        return traceback.format_exc()
    return ""


def _as_test(check: Check, harness: type[Harness]) -> Callable[[Any], None]:
    def test(_self: Any) -> None:
        run_check(check, harness)

    test.__doc__ = check.run.__doc__
    return test
