"""A purpose is one member, one file of commands and one of policies: added in a copy, it goes to its destinations beside the books."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.copying import PACKAGE, copy_package
from tests.integration.waiting import trial_purpose as trial
from tests.integration.waiting import trial_purpose_played as played

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of the package with the trial purpose in it."""
    copy = copy_package(tmp_path, without=("stripe", "odoo"))
    records = copy / "core/language/records.py"
    assert records.read_text("utf-8").count(trial.AFTER) == 1
    records.write_text(records.read_text("utf-8").replace(trial.AFTER, trial.AFTER + trial.MEMBER), "utf-8")
    (copy / "core/commands/standings.py").write_text(trial.COMMAND, "utf-8")
    (copy / "core/policies/support_standing.py").write_text(trial.POLICY, "utf-8")
    (copy / "connectors/trial").mkdir()
    (copy / "connectors/trial/__init__.py").write_text(trial.CONNECTOR, "utf-8")
    return tmp_path


def run(code: str, copied: Path | None = None, database: str = "") -> subprocess.CompletedProcess[str]:
    """Run code with the copy in place of the package, or with the package as it is."""
    places = [str(place) for place in (copied or PACKAGE.parent, ROOT)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", "TRIAL_DATABASE": database}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd=copied)


def test_destinations_are_read_and_refused_with_their_line(copied: Path) -> None:
    result = run(played.SETTINGS, copied)
    assert result.returncode == 0, result.stderr


def test_each_destination_of_each_purpose_has_its_own_wish_of_one_key(copied: Path, database: str) -> None:
    result = run(played.WAY, copied, database)
    assert result.returncode == 0, result.stderr
    plain = run(played.PLAIN)
    assert plain.returncode == 0, plain.stderr
    assert sorted(result.stdout.split()) == sorted(plain.stdout.split()) != []


def test_a_change_has_those_it_affects_decided_again_where_a_purpose_looks_back_from_them(copied: Path, database: str) -> None:
    (copied / "counterfoil/core/policies/customers_at_support.py").write_text(trial.CUSTOMERS, "utf-8")
    result = run(played.STANDING, copied, database)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("path", "was", "becomes", "words"),
    [
        ("core/policies/support_standing.py", "POLICIES = (", "OTHERS = (", "purpose support_standing has no policy"),
        (
            "core/commands/standings.py",
            "purpose=Purpose.SUPPORT_STANDING",
            "purpose=Purpose.BOOKS",
            "purpose support_standing has no kind of command",
        ),
        (
            "core/language/records.py",
            'others="not_shown_in_support"',
            'others=""',
            "neither a policy nor a rule to ignore it for support_standing",
        ),
    ],
)
def test_a_purpose_that_leaves_something_out_does_not_start_and_says_what(
    copied: Path, path: str, was: str, becomes: str, words: str
) -> None:
    file = copied / "counterfoil" / path
    assert was in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(was, becomes), "utf-8")
    result = run("import counterfoil.core.policies.decide", copied)
    assert words in result.stderr


def test_a_policy_that_wishes_what_is_another_purposes_stops_with_its_name(copied: Path) -> None:
    code = """
from tests.core.builders import RULES, event_of, invoice, usd, World
from counterfoil.core.commands.standings import ShowStanding, StandingCommand
from counterfoil.core.language.records import KindError, Purpose
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.requests import DisplayRequest
bill = invoice(usd(100))
draft = Draft(event_of(bill), World().view(), RULES, Purpose.SUPPORT_STANDING)
assert draft.routes.destinations("US") == () and draft.decision().ignored == "support_standing_has_no_destination"
try:
    draft.outbox.show(DisplayRequest("odoo", StandingCommand.SHOW_STANDING, "invoice", bill.id, ShowStanding(bill.id, bill.total)))
except KindError as error:
    print(error)
"""
    result = run(code, copied)
    assert result.stdout == "odoo is no destination of support_standing for the company\n", result.stderr
