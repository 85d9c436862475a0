"""What becomes of commands after a try: what is in doubt stays in doubt, what is gone is made again, what is refused is decided again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from tests.integration.delivery.scripted import SUBJECT, Books, Desk

from counterfoil.core.kinds.customer import CUSTOMER as CUSTOMER_KIND
from counterfoil.core.kinds.product import PRODUCT as PRODUCT_KIND
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import NeedKey
from counterfoil.delivery.ends import BREAK_TRIES_MAX, GONE_TRIES_MAX
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import agenda, bindings, outbox
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.work import SHARDS

CUSTOMER = CUSTOMER_KIND.ref("stripe:cus_A")
INVOICE, PRODUCT = "invoice/stripe:in_1", "product/stripe:prod_1"
NO_ANSWER = TransientError("no answer within the time limit", code="http.timeout", is_outcome_unknown=True)


COPIED = ("status", "code", "case_class", "message", "missing", "is_unavailable")
Usual = Callable[[Books, Context, Sequence[Command], Mapping[str, str]], Awaitable[tuple[Outcome, ...]]]


@dataclass
class Answering(Books):
    """Books that answer some commands as a test says, by external key: one outcome after the other, then as usual."""

    answers: dict[str, list[Outcome]] = field(default_factory=dict)

    def say(self, key: str, *outcomes: Outcome) -> None:
        """Have a command answered so, once each."""
        self.answers[key] = list(outcomes)

    async def send(self, ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        """Book what no answer is given for."""
        return await self._either(Books.send, ctx, commands, bound)

    async def resolve(self, ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        """Look up what no answer is given for."""
        return await self._either(Books.resolve, ctx, commands, bound)

    async def _either(self, usual: Usual, ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        said = {one.id: self.answers[one.external_key].pop(0) for one in commands if self.answers.get(one.external_key)}
        rest = [one for one in commands if one.id not in said]
        asked = await usual(self, ctx, rest, bound) if rest else ()
        by_id = {one.command_id: one for one in asked}
        return tuple(
            Outcome(
                one.id,
                **{name: getattr(said[one.id], name) for name in COPIED},
            )
            if one.id in said
            else by_id[one.id]
            for one in commands
        )


@pytest.fixture
def books() -> Answering:
    return Answering()


@pytest.fixture
def desk(pool: Pool, cipher: Cipher, books: Answering) -> Desk:
    return Desk(pool, cipher, books=books)


async def on_agenda(desk: Desk) -> set[ObjectRef]:
    async with desk.pool.connection() as conn:
        return {item.ref for shard in range(SHARDS) for item in await agenda.claim(conn, [shard], desk.clock.now(), 100)}


async def bind(desk: Desk, *keys: str) -> None:
    now = desk.clock.now()
    async with desk.pool.connection() as conn, conn.transaction():
        await outbox.bind_and_release(conn, [Binding("books", key, f"book/{key}") for key in map(NeedKey, keys)], now)


async def is_bound(desk: Desk, *keys: str) -> list[bool]:
    async with desk.pool.connection() as conn:
        found = await bindings.current(conn, "books", map(NeedKey, keys))
    return [key in found for key in keys]


async def test_a_look_at_a_doubtful_write_that_fails_leaves_it_in_doubt(desk: Desk, books: Answering) -> None:
    left = [NO_ANSWER]
    books.losing = lambda _call, _commands: left.pop() if left else None
    await desk.wish(1)
    await desk.turn()  # booked, but the answer was lost
    books.say("k1", Outcome("", OutcomeStatus.RETRY, code="books.away", message="the books are away", is_unavailable=True))
    desk.later(1)
    await desk.turn()
    [row] = await desk.rows(1)
    assert (row.state.value, row.in_doubt) == ("unknown", True)
    await desk.settle()
    assert books.done == ["k1"]  # found by its key, not booked a second time
    assert await desk.states(1) == ["done"]


async def test_what_is_in_doubt_is_looked_up_and_what_is_new_is_sent_never_both_in_one_call(desk: Desk, books: Answering) -> None:
    left = [NO_ANSWER]
    books.losing = lambda _call, _commands: left.pop() if left else None
    await desk.wish(1, 2)
    await desk.turn()
    await desk.wish(3, 4)
    desk.later(5)  # the look at the first two is due, too
    await desk.settle()
    assert books.calls == [("send", 2), ("resolve", 2), ("send", 2)]
    assert books.done == ["k1", "k2", "k3", "k4"]


async def test_a_break_is_looked_at_again_before_it_becomes_a_case(desk: Desk, books: Answering) -> None:
    differs = Outcome(
        "", OutcomeStatus.REFUSED, code="books.differs", case_class=CaseClass.RECONCILIATION_BREAK, message="shows 1.00 for 2.00"
    )
    books.say("k1", *[differs] * BREAK_TRIES_MAX)
    await desk.wish(1, 2)
    await desk.settle()
    assert (await desk.states(1, 2), await desk.cases()) == (["done", "done"], [])
    books.say("k3", *[differs] * (BREAK_TRIES_MAX + 1))
    await desk.wish(3)
    await desk.settle()
    assert (await desk.states(3), [case.code for case in await desk.cases()]) == (["parked"], ["books.differs"])


async def test_the_subject_of_what_was_refused_is_decided_again(desk: Desk, books: Answering) -> None:
    books.say("k1", Outcome("", OutcomeStatus.REFUSED, code="books.no", message="no"))
    await desk.wish(1, subject=SUBJECT)
    await desk.wish(2, subject=CUSTOMER)
    await desk.settle()
    assert await on_agenda(desk) == {SUBJECT}


async def test_a_customer_that_is_gone_is_unbound_and_decided_again_and_nothing_else_is(desk: Desk, books: Answering) -> None:
    await desk.wish(1, subject=CUSTOMER, external_key="customer", produces=CUSTOMER.key)
    await desk.wish(2, subject=PRODUCT_KIND.ref("stripe:prod_1"), external_key="product", produces=PRODUCT)
    await desk.settle()
    books.say("invoice", Outcome("", OutcomeStatus.WAITING, code="books.gone", message="no such customer", missing=(CUSTOMER.key,)))
    await desk.wish(3, kind="upsert_product", external_key="invoice", needs=(CUSTOMER.key, PRODUCT))
    await desk.turn()
    assert await desk.states(1, 2, 3) == ["canceled", "done", "waiting"]
    assert await is_bound(desk, CUSTOMER.key, PRODUCT) == [False, True]
    assert await on_agenda(desk) == {CUSTOMER}
    desk.later(1)
    await desk.wish(4, subject=CUSTOMER, external_key="customer", produces=CUSTOMER.key)  # as deciding does
    await desk.settle()
    assert (await desk.states(3, 4), await desk.cases()) == (["done", "done"], [])


async def test_a_document_that_is_gone_is_unbound_and_not_made_again(desk: Desk, books: Answering) -> None:
    await desk.wish(1, external_key="invoice", produces=INVOICE)
    await desk.settle()
    books.say("match", Outcome("", OutcomeStatus.WAITING, code="books.gone", message="no such invoice"))
    await desk.wish(2, external_key="match", needs=(INVOICE,))
    await desk.turn()
    assert (await desk.states(1, 2), await is_bound(desk, INVOICE), await on_agenda(desk)) == (["done", "waiting"], [False], set())


async def test_what_is_missing_time_and_again_becomes_a_case(desk: Desk, books: Answering) -> None:
    await bind(desk, CUSTOMER.key)
    gone = Outcome("", OutcomeStatus.WAITING, code="books.gone", message="no such customer")
    books.say("k1", *[gone] * 20)
    await desk.wish(1, needs=(CUSTOMER.key,))
    for tries in range(1, GONE_TRIES_MAX + 1):
        await desk.turn()
        assert (tries, await desk.states(1)) == (tries, ["waiting"])
        desk.later(1)
        await bind(desk, CUSTOMER.key)
    await desk.turn()
    assert (await desk.states(1), [case.code for case in await desk.cases()]) == (["parked"], ["books.gone"])
