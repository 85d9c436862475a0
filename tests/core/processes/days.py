"""A desk of pure decisions over days: records come, time goes on, and processes step as the hub has them step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.core.builders import ANN, RULES, event_of

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.dunning import DUNNING, Dunning
from counterfoil.core.kinds.intent import Intent
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import Decision, MemoryView, Problem
from counterfoil.core.policies.related import linked
from counterfoil.core.policies.rules import DunningStage, Rules

ROUNDS_MAX = 50


def dunned(*stages: DunningStage) -> Rules:
    """Return the rules with these stages of dunning."""
    return replace(RULES, dunning=stages)


@dataclass
class Days:
    """What is known, and when each subject is decided again."""

    rules: Rules
    now: datetime
    objects: dict[ObjectRef, Record] = field(default_factory=lambda: {ref_of(ANN): ANN})
    again: dict[ObjectRef, datetime] = field(default_factory=dict)
    decisions: dict[ObjectRef, Decision] = field(default_factory=dict)
    steps: int = 0

    def tell(self, *records: Record) -> Days:
        """Take records in, each decided with what follows from it."""
        for record in records:
            self.objects[ref_of(record)] = record
            self.decide([ref_of(record)])
        return self

    def until(self, now: datetime) -> Days:
        """Let time go on: whatever wants to be decided again on the way is, at its instant."""
        while due := [(at, ref) for ref, at in self.again.items() if at <= now]:
            self.now, ref = min(due)
            self.decide([ref])
        self.now = now
        return self

    def decide(self, refs: Iterable[ObjectRef]) -> None:
        """Decide subjects, the processes they begin, and those that step because of it."""
        agenda = list(refs)
        for _ in range(ROUNDS_MAX):
            if not agenda:
                return
            ref = agenda.pop(0)
            state = self.objects[ref]
            view = MemoryView(dict(self.objects), links=linked(self.objects))
            decision = decide(event_of(state, when=self.now), view, self.rules)
            self.decisions[ref] = decision
            self.steps += 1
            self.again.pop(ref, None)
            if decision.again_at is not None:
                assert decision.again_at > self.now
                self.again[ref] = decision.again_at
            for moved in decision.processes:
                is_new = ref_of(moved) not in self.objects
                self.objects[ref_of(moved)] = moved
                agenda += [ref_of(moved)] if is_new else []
            agenda += [other for other in decision.then if other not in agenda]
        raise AssertionError("the processes do not come to rest")

    def dunning(self, id: str = "stripe:in_1") -> Dunning | None:
        """Return the dunning of an invoice."""
        found = self.objects.get(DUNNING.ref(id))
        assert found is None or isinstance(found, Dunning)
        return found

    def problems(self, id: str = "stripe:in_1") -> tuple[Problem, ...]:
        """Return what people are told of a dunning."""
        return self.decisions[DUNNING.ref(id)].problems

    def text(self, id: str = "stripe:in_1") -> str:
        """Return a dunning in a line: state, stage or reason, what is asked and blocked, what is open."""
        found = self.dunning(id)
        if found is None:
            return "none"
        words = [found.state.value, found.stage or "-"]
        words += [f"asks {found.asked}"] if found.asked else []
        words += [found.reason] if found.reason else []
        words += [f"blocks {' '.join(found.blocks)}"] if found.blocks else []
        return " ".join(words) + f" {found.open_amount}"


def said(verb: str, at: datetime, *, id: str = "stripe:in_1", about: str = "", until: datetime | None = None) -> Intent:
    """Return what a person decides on the dunning of an invoice."""
    return Intent(f"people:{verb}{about}{at:%m%d%H}", DUNNING.ref(id).key, verb, "mira", at, about, until)
