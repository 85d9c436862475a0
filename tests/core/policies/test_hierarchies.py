"""Companies that belong to others: what is a circle, who is told of it, and what a parent changes of its children: nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import ANN, RULES, World, usd
from tests.core.policies.crm_world import HARBOR, WITH_CRM, bill, shown, world_of

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.company import Company, CompanyState
from counterfoil.core.policies.hierarchies import circle_of
from counterfoil.core.policies.related import links, looked_at_alone, related

GROUP = Company("hubspot:4711.1", "Harbor Group")
CHILD = Company("hubspot:4711.2", "Blue Harbor", parent_id=GROUP.id)


def ring(count: int) -> list[Company]:
    """Return companies of which each belongs to the next, and the last to the first."""
    return [Company(f"crm:{n}", f"Company {n}", parent_id=f"crm:{n % count + 1}") for n in range(1, count + 1)]


def test_a_company_that_belongs_to_another_is_decided_as_one_that_belongs_to_none() -> None:
    decision = World(RULES).know(GROUP).decide(CHILD)
    assert (decision.ignored, decision.problems, decision.waits) == ("company_has_no_counterpart", (), ())
    # Also while its parent is not known (yet), or was deleted.
    assert World(RULES).decide(CHILD).ignored == "company_has_no_counterpart"
    gone = replace(GROUP, state=CompanyState.DELETED, parent_id=CHILD.id)
    assert World(RULES).know(gone).decide(CHILD).ignored == "company_has_no_counterpart"


def test_a_circle_is_one_problem_that_names_it_whichever_of_its_companies_is_decided() -> None:
    first, second, third = ring(3)
    world = World(RULES).know(first, second, third)
    decisions = [world.redecide(one) for one in (first, second, third)]
    [problem] = {problem for decision in decisions for problem in decision.problems}
    assert (problem.code, problem.owner) == ("decide.companies_in_a_circle", "sales operations")
    assert problem.cause.endswith("crm:1 to crm:2 to crm:3 to crm:1.")
    assert {ref.id for ref in decisions[1].waits} == {"crm:1", "crm:2", "crm:3"}
    outside = Company("crm:9", "A child of one of them", parent_id="crm:2")
    assert world.decide(outside).ignored == "company_has_no_counterpart"
    [itself] = World(RULES).decide(Company("crm:7", "Itself", parent_id="crm:7")).problems
    assert itself.cause.endswith("crm:7 to crm:7.")


def test_a_circle_that_is_broken_is_no_problem_any_more() -> None:
    first, second, third = ring(3)
    world = World(RULES).know(first, second, third)
    assert world.redecide(first).problems
    assert not world.decide(replace(second, parent_id="")).problems
    assert not world.redecide(first).problems


def test_a_circle_takes_nothing_of_the_status_that_is_shown_and_a_parent_adds_nothing_to_it() -> None:
    owed = bill(10_000, 4_000)
    alone = shown(world_of(owed))
    parent = Company("hubspot:4711.99", "Harbor Group", customer_ids=("stripe:cus_group",))
    theirs = bill(70_000, 70_000, 2, customer_id="stripe:cus_group")
    below = replace(HARBOR, parent_id=parent.id)
    assert shown(world_of(owed, parent, theirs), below) == alone
    world = world_of(owed, replace(parent, parent_id=HARBOR.id))
    assert shown(world, below) == alone
    assert alone.balances[0].open == usd(4_000)
    assert ANN.id in below.customer_ids


def test_of_a_parent_nothing_is_looked_at_but_whose_child_it_is() -> None:
    child = replace(CHILD, customer_ids=(ANN.id,))
    assert looked_at_alone(child) == (ref_of(GROUP),)
    assert ref_of(GROUP) not in related(child)
    assert ref_of(GROUP) not in links(child)


@given(st.dictionaries(st.integers(0, 9), st.integers(0, 9)))
def test_a_company_is_in_a_circle_exactly_if_its_parents_lead_back_to_it(parents: dict[int, int]) -> None:
    companies = {n: Company(f"crm:{n}", "", parent_id=f"crm:{parent}") for n, parent in parents.items()}
    view = World(WITH_CRM).know(*companies.values()).view()
    for number, company in companies.items():
        above, step = [number], parents.get(number)
        while step is not None and step not in above:
            above.append(step)
            step = parents.get(step)
        assert circle_of(view, company) == (tuple(f"crm:{n}" for n in above) if step == number else ())
