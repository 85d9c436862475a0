"""What is a loop is declared once, and released with the rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.app.rules import body_of, declared_rules, rules_source, settled
from counterfoil.app.settings import Settings, from_values
from counterfoil.core.identity.loops import USUAL, LoopLimits
from counterfoil.kit.errors import SetupError


def file_of(**loops: int) -> Settings:
    return from_values({"hub": {"home": "home"}, **({"loops": loops} if loops else {})})


def test_what_is_a_loop_is_the_releases_and_no_workers_file() -> None:
    released, file = file_of(returns=3, window_days=2), file_of(answers=20)
    assert {path: said for path, said in declared_rules(released).items() if path.startswith("loops")} == {
        "loops.returns": "3",
        "loops.window_days": "2",
    }
    assert rules_source(settled(file, body_of(released), 7)).loops == LoopLimits(3, 12, timedelta(days=2))


def test_where_it_is_the_usual_a_release_says_nothing_of_it_so_that_those_of_before_agree() -> None:
    assert not any(path.startswith("loops") for path in declared_rules(file_of()))
    assert rules_source(settled(file_of(answers=20), body_of(file_of()), 7)).loops == USUAL == LoopLimits(4, 12, timedelta(days=7))


@pytest.mark.parametrize(("setting", "value"), [("returns", 1), ("answers", 51), ("window_days", 0), ("window_days", 91)])
def test_what_could_hold_what_people_do_or_nothing_at_all_is_refused(setting: str, value: int) -> None:
    with pytest.raises(SetupError, match=f"loops.{setting}"):
        file_of(**{setting: value})
