"""Four systems that change one customer at once, in any order: in one round each shows the owner's word, and then nothing is written."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.waiting.systems import RULES, Both, System, between

from counterfoil.core.identity.loops import LoopLimits
from counterfoil.core.identity.ownership import Owner, ownership_of
from counterfoil.core.kinds.customer import Address, Customer
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

OWNERS = {"name": "crm", "email": "stripe", "phone": "left"}
"""Whose word counts, by field; of the address that is the newest."""
FIELDS = (*OWNERS, "address")
SYSTEMS = ("stripe", "crm", "left", "right")
"""The first two only tell; the others are written to as well."""
OWNED = replace(
    RULES,
    ownership=ownership_of([Owner("customer", connection, (name,)) for name, connection in OWNERS.items()]),
    loops=LoopLimits(50, 50),
)
VALUES = {
    "name": ("Ann Ltd", "ANN LTD", "Ann & Sons"),
    "email": ("a@example.com", "b@example.com", "c@example.com"),
    "phone": ("1", "2", "+1"),
    "address": (Address(city="Boston", country="US"), Address(city="BOSTON", country="US"), Address(city="Austin", country="US")),
}
EDITS = st.tuples(st.sampled_from(SYSTEMS), st.sampled_from(FIELDS), st.integers(0, 2))
STEPS = st.lists(EDITS | st.sampled_from([f"{system} tells" for system in SYSTEMS] + ["left writes", "right writes"]), max_size=16)
_runs = itertools.count(1)


@dataclass
class Four:
    """One customer in four systems, and the hub between them."""

    both: Both
    sources: dict[str, Customer]
    untold: dict[str, list[Customer]] = field(default_factory=lambda: {"stripe": [], "crm": []})

    @property
    def targets(self) -> dict[str, System]:
        """The systems that are written to, by name."""
        return {"left": self.both.left, "right": self.both.right}

    def edit(self, system: str, name: str, value: Any) -> None:
        """Have somebody change a field in a system; what has not come there yet cannot be changed there."""
        if system in self.sources:
            self.sources[system] = replace(self.sources[system], **{name: value})
            self.untold[system].append(self.sources[system])
        elif self.targets[system].held is not None:
            self.targets[system].edit(**{name: value})

    async def tell(self, system: str) -> None:
        """Have a system tell all that was changed in it."""
        if system in self.targets:
            await self.both.hear(self.targets[system])
        while self.untold.get(system):
            await self.both.tell(self.untold[system].pop(0), system)

    async def play(self, steps: list[Any]) -> None:
        """Have all that happen, in order."""
        for step in steps:
            if isinstance(step, tuple):
                system, name, place = step
                self.edit(system, name, VALUES[name][place])
            elif step.endswith("tells"):
                await self.tell(step.partition(" ")[0])
            else:
                await self.both.write(self.targets[step.partition(" ")[0]])

    async def settle(self) -> int:
        """Have everybody tell all there is, and then everything written; return how many rounds of writing that took."""
        for system in SYSTEMS:
            await self.tell(system)
        return await self.both.rest()

    def shown(self, name: str) -> dict[str, Any]:
        """Return what each system shows of a field."""
        return {system: getattr(held, name) for system, held in self.held().items()}

    def held(self) -> dict[str, Customer]:
        """Return the customer as each system has it."""
        return {**self.sources, **{system: one.held for system, one in self.targets.items() if one.held is not None}}


def four(pool: Pool, cipher: Cipher) -> Four:
    """Return a customer nobody has seen yet."""
    number = next(_runs)
    both = between(pool, cipher, OWNED)
    both.office.told = number * 10_000_000
    both.office.later(days=number)  # after all that other runs told
    first = Customer(f"stripe:cus_{number}", "Ann Ltd", "a@example.com", "1", Address(city="Boston", country="US"), currency="USD")
    return Four(both, {"stripe": first, "crm": replace(first, currency="")})


async def proposals(one: Four) -> set[tuple[str, str]]:
    """Return what stands open for owners of fields of the customer, as (field, who says otherwise)."""
    ref = f"customer/{one.sources['stripe'].id}"
    async with one.both.office.pool.connection() as conn:
        rows = await conn.execute(
            'select c.releases_on from "case" c join case_subject s on s.case_id = c.id'
            " where c.code = 'decide.not_the_owner' and c.state = 'open' and s.subject = %s and s.released_at is null",
            (ref,),
        )
        found = [key.split("/") for (key,) in await rows.fetchall()]
    return {(name, connection) for _, _, name, connection in found}


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_law_whatever_the_order_they_settle_in_one_round_with_the_owners_word_and_nothing_is_written_after(
    pool: Pool, cipher: Cipher, steps: list[Any]
) -> None:
    one = four(pool, cipher)
    for system in ("stripe", "crm"):
        await one.both.tell(one.sources[system], system)
    await one.both.rest()
    await one.play(steps)
    assert await one.settle() <= 1
    said = await proposals(one)
    for name, owner in OWNERS.items():
        shown = one.shown(name)
        # As long as the owner only has what it was written, nobody's word is another than the owner's: a source is compared with a source.
        compared = {system for system in SYSTEMS if system in one.targets or owner in one.sources}
        others = {system for system in compared if shown[system] != shown[owner]}
        # Who says otherwise himself goes on saying it, and the owner has a case; everybody else shows the owner's word.
        assert {(name, system) for system in others} <= said
    assert one.shown("address")["left"] == one.shown("address")["right"]
    written = {name: len(system.writes) for name, system in one.targets.items()}
    assert await one.settle() == 0
    assert {name: len(system.writes) for name, system in one.targets.items()} == written


async def test_all_four_at_once_and_each_field_ends_as_its_owner_has_it(pool: Pool, cipher: Cipher) -> None:
    one = four(pool, cipher)
    for system in ("stripe", "crm"):
        await one.both.tell(one.sources[system], system)
    await one.both.rest()
    for place, system in enumerate(SYSTEMS):
        for name in FIELDS:
            one.edit(system, name, VALUES[name][place % 3] if system != OWNERS.get(name) else VALUES[name][2])
    assert await one.settle() == 1
    assert {name: one.shown(name)[owner] for name, owner in OWNERS.items()} == {name: VALUES[name][2] for name in OWNERS}
    command = [row for row in await one.both.office.commands("upsert_customer") if row.state.value == "done"][-1]
    for value in ("Ann & Sons", "c@example.com", "+1"):
        assert f'"{value}"'.encode() in command.arguments
    assert await proposals(one) == {
        ("name", "stripe"),
        ("email", "crm"),
        ("phone", "stripe"),
        ("phone", "crm"),
    }


async def test_once_who_said_otherwise_takes_the_owners_word_the_proposal_is_closed_and_all_show_the_same(
    pool: Pool, cipher: Cipher
) -> None:
    one = four(pool, cipher)
    await one.both.tell(one.sources["stripe"], "stripe")
    await one.both.tell(one.sources["crm"], "crm")
    await one.both.rest()
    one.edit("right", "name", "ANN LTD")
    await one.settle()
    assert await proposals(one) == {("name", "right")}
    one.edit("right", "name", "Ann Ltd")
    await one.settle()
    assert (await proposals(one), set(one.shown("name").values())) == (set(), {"Ann Ltd"})
