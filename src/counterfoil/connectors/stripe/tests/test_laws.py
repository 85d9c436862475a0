"""Laws: damaged payloads are only ever rejected; the order in which deliveries come makes no difference to what is known at the end."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from counterfoil.connectors.stripe.normalize.events import HANDLED
from counterfoil.core.facts.events import Fact
from counterfoil.core.facts.merge import Current, merge
from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.conformance.mutation import mutate
from counterfoil.kit.connector import Delivery, Fetched, Ignored
from counterfoil.kit.errors import RejectedError

from .building import CREATED, FETCHED_AT, SOURCE, delivery, fetched_as_snapshot, fixture, listed_delivery, official, settings

CONFIG = settings()
OBJECTS = {**{obj: official(obj) for obj in sorted(set(HANDLED.values()))}}
KINDS = sorted(HANDLED)


def one_normalizes_or_is_rejected(of: Delivery, fetched: dict[str, Fetched]) -> None:
    SOURCE.needs(of)
    try:
        result = SOURCE.normalize(CONFIG, of, fetched)
    except RejectedError:
        return
    assert isinstance(result, Ignored) or result


@given(st.sampled_from(KINDS), st.integers(0, 2**32))
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_event_is_read_or_rejected(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    whole = delivery(kind, OBJECTS[HANDLED[kind]])
    one_normalizes_or_is_rejected(replace(whole, body=mutate(whole.body, chance)), fetched_as_snapshot(whole, OBJECTS[HANDLED[kind]]))


@given(st.sampled_from(KINDS), st.integers(0, 2**32))
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_fetched_object_is_read_or_rejected(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    whole = delivery(kind, OBJECTS[HANDLED[kind]])
    answers = {
        ref: replace(answer, body=mutate(json.dumps(OBJECTS.get(ref.split("/")[1], OBJECTS["charge"])).encode(), chance))
        for ref, answer in fetched_as_snapshot(whole, OBJECTS[HANDLED[kind]]).items()
    }
    one_normalizes_or_is_rejected(whole, answers)


@given(st.sampled_from(["invoice.basil.json", "invoice.2023-08-16.json"]), st.integers(0, 2**32))
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_mutated_invoice_is_read_or_rejected(name: str, seed: int) -> None:
    whole = listed_delivery(fixture(name))
    one_normalizes_or_is_rejected(replace(whole, body=mutate(whole.body, random.Random(seed))), {})


def life_of_an_invoice() -> list[tuple[Delivery, dict[str, Fetched]]]:
    """Return the deliveries of one invoice and its customer, each with the state that was true when it was fetched."""
    invoice = fixture("invoice.basil.json")
    states = [("created", "draft", 0), ("finalized", "open", 0), ("updated", "open", 2000), ("paid", "paid", 9020)]
    found = []
    for step, (name, status, paid) in enumerate(states):
        obj = {**invoice, "status": status, "amount_paid": paid, "amount_remaining": 9020 - paid}
        event = delivery(f"invoice.{name}", obj, event_id=f"evt_{step}", created=CREATED + step)
        at = FETCHED_AT + timedelta(seconds=step)
        ref = "acct_1/invoice/in_gold"
        found.append((event, {ref: Fetched(ref, json.dumps(obj).encode(), at)}))
    customer = {"id": "cus_1", "object": "customer", "name": "Old", "currency": "eur", "balance": -500}
    found.append((delivery("customer.created", customer, event_id="evt_10"), {}))
    renamed = {**customer, "name": "New"}
    ref = "acct_1/customer/cus_1"
    answer = {ref: Fetched(ref, json.dumps(renamed).encode(), FETCHED_AT)}
    found.append((delivery("customer.updated", renamed, event_id="evt_11", created=CREATED + 1, previous={"name": "Old"}), answer))
    return found


def outcome(deliveries: list[tuple[Delivery, dict[str, Fetched]]]) -> dict[ObjectRef, Any]:
    """Return the final state of every object when the deliveries come in this order."""
    known: dict[ObjectRef, Current] = {}
    for one, fetched in deliveries:
        result = SOURCE.normalize(CONFIG, one, fetched)
        for fact in () if isinstance(result, Ignored) else result:
            _take(known, fact)
    return {ref: current.record for ref, current in known.items()}


def _take(known: dict[ObjectRef, Current], fact: Fact) -> None:
    known[fact.subject] = merge(known.get(fact.subject), fact).current


IN_ORDER = outcome(life_of_an_invoice())


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=4))
@hypothesis_settings(max_examples=100, deadline=None)
def test_shuffled_and_repeated_deliveries_end_in_the_same_state(order: list[int], repeats: list[int]) -> None:
    life = life_of_an_invoice()
    assert outcome([life[i] for i in (*order, *repeats)]) == IN_ORDER
    assert {type(entity).__name__ for entity in IN_ORDER.values()} == {"Invoice", "TaxRate", "Customer"}
