"""The whole hub over sandboxes in this process: Stripe told to, events delivered in any order, Odoo's books read by external id."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.claiming import TO_SEND
from tests.integration.path.journal import Journal
from tests.integration.path.provisioning import books_in

from counterfoil.app.demo.catalog import Catalog, build_catalog
from counterfoil.app.demo.company import StripeAccount, open_accounts
from counterfoil.app.demo.control import StripeControl
from counterfoil.app.demo.entities import ENTITIES, DemoEntity
from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.app.demo.proof import baseline, prove
from counterfoil.app.demo.provision import Provisioned
from counterfoil.app.demo.story import StoryContext
from counterfoil.app.demo.stripe_plain import StripePlain
from counterfoil.app.demo.totals import TotalsProof
from counterfoil.app.hub import Hub, open_hub, serve_intake, wait_until
from counterfoil.app.settings import Settings, from_values
from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.sandbox.apps import interference
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.kit.clock import FollowingClock, SystemClock
from counterfoil.store import cases, mappings, views
from counterfoil.store.cases import Case

SECRET = "whsec_of_the_house"
BOOKS = "books"
START = datetime(2025, 12, 1, 12, tzinfo=UTC)
SETTLE_S = 60.0
_numbers = itertools.count(1)


@dataclass
class House:
    """Everything that is running, and the moves tests are made of."""

    hub: Hub
    clock: FollowingClock
    stripe: StripeSandbox
    control: StripeControl
    odoo: OdooSandbox
    plain: OdooPlain
    provisioned: Provisioned
    accounts: Mapping[str, StripeAccount]
    catalogs: Mapping[str, Catalog]
    apis: Mapping[str, StripePlain]
    intake: str
    journal: Journal
    before: int
    values: Mapping[str, Any]
    told: dict[str, int] = field(default_factory=dict)

    def story(self, entity: str = "US", *, tax: str | None = None, currency: str = "") -> StoryContext:
        """Return the means of one customer of an entity. ``tax``: key of the tax on his documents, none by default."""
        account = self.accounts[entity]
        number = next(_numbers)
        chance = random.Random(number)
        demo = account.entity
        api, catalog = self.apis[entity], self.catalogs[entity]
        return StoryContext(demo, account.id, api, self.control, catalog, number, chance, currency or demo.currency, tax or "")

    async def at(self, instant: datetime) -> None:
        """Move both clocks to an instant; what has passed already stays."""
        if int(instant.timestamp()) > self.stripe.now:
            await self.control.advance(instant)
            self.odoo.set_today(instant.date())
        self.clock.follow(instant)

    async def later(self, **span: float) -> None:
        """Let time pass, e.g. ``days=3``."""
        await self.at(datetime.fromtimestamp(self.stripe.now, UTC) + timedelta(**span))

    def news(self, *types: str) -> list[Any]:
        """Return the events nobody was told of yet, in the order they happened, and count them as told; ``types``: keep only these."""
        found = []
        for account in self.accounts.values():
            events = self.stripe.world.journal.events.get(account.id, [])
            found += events[self.told.get(account.id, 0) :]
            self.told[account.id] = len(events)
        return [event for event in found if not types or event.type in types]

    async def deliver(self, events: Iterable[Any], **step: Any) -> list[int]:
        """Deliver events strictly in the given order and return the statuses they were answered with."""
        by_id = {account.id: account.entity.connection for account in self.accounts.values()}
        statuses = []
        for event in events:
            url = f"{self.intake}/in/{by_id[event.account]}"
            outcomes = await self.stripe.deliver([{"event": event.id, **step}], url, SECRET)
            statuses.append(outcomes[0]["status"])
        return statuses

    async def tell(self) -> None:
        """Deliver everything new in the order it happened, and wait until it is booked."""
        events = self.news()
        first = await self.deliver(events)
        # A connection may be closed in the moment it is used again, where a machine stood still: the vendor delivers once more.
        again = await self.deliver(event for event, status in zip(events, first, strict=True) if status is None)
        statuses = [*(status for status in first if status is not None), *again]
        assert set(statuses) <= {200}, f"the intake did not take everything: {statuses}"
        await self.settle()

    async def poll(self, *names: str) -> None:
        """Have sources polled now (all by default) and wait until they were."""
        wanted = list(names or self.hub.sources)
        await self.hub.wake([("poll", name) for name in wanted])

        async def is_polled() -> bool:
            async with self.hub.pool.connection() as conn:
                found = await conn.execute("select count(*) from work where stage = 'poll' and key = any(%s) and armed", (wanted,))
                return await found.fetchone() == (0,)

        await self.until(is_polled)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition holds."""
        assert await wait_until(condition, timeout_s=30.0, every_s=0.05), "it never came to pass"

    async def settle(self, *, is_patient: bool = False) -> None:
        """Wait until nothing moves any more. What is waited for is asked of the source at once, unless ``is_patient``."""
        for _ in range(4):
            if not await wait_until(self._is_quiet, timeout_s=SETTLE_S, every_s=0.05):
                raise AssertionError(f"the hub did not come to rest: {await self.where()}")
            if is_patient or not await self._waits_for_source():
                return
            self.clock.follow(self.clock.now() + timedelta(seconds=5))
            await self.hub.wake([("heal", "all")])
            await self.until(self._is_healed)

    async def where(self) -> str:
        """Say what is still to be done, for messages."""
        async with self.hub.pool.connection() as conn:
            rows = await conn.execute("select kind, state::text, external_key, reason from command where state not in ('done', 'canceled')")
            return f"{await views.backlog(conn)} {await rows.fetchall()}"

    async def _is_quiet(self) -> bool:
        async with self.hub.pool.connection() as conn:
            found = await (await conn.execute(_RESTLESS)).fetchone()
        return found == (0,)

    async def has_ended_turns(self) -> bool:
        """Tell whether every turn that was begun has ended well: what it did is committed before its end is."""
        async with self.hub.pool.connection() as conn:
            found = await (await conn.execute("select count(*) from work where begun > 0")).fetchone()
        return found == (0,)

    async def _waits_for_source(self) -> bool:
        async with self.hub.pool.connection() as conn:
            found = await (await conn.execute("select count(*) from wait where key not like 'mapping/%' and not fetch_asked")).fetchone()
        return found != (0,)

    async def _is_healed(self) -> bool:
        async with self.hub.pool.connection() as conn:
            found = await (await conn.execute("select count(*) from work where stage = 'heal' and armed")).fetchone()
        return found == (0,)

    async def bill(self, amount: int, entity: str = "US", *, tax: str = "", currency: str = "", is_paid: bool = False) -> dict[str, Any]:
        """Bill a new customer an amount in minor units, and charge his card if ``is_paid``; see :meth:`stage`."""
        story = self.story(entity, tax=tax, currency=currency)
        customer = await story.customer()
        await story.item(customer, "Consulting", amount)
        invoice = await story.bill(customer, is_charged=is_paid)
        assert not is_paid or await story.pay(invoice["id"])
        return invoice

    async def close_days(self, *entities: str) -> None:
        """Have the days of entities that post summaries looked at, and wait until what was closed is posted."""
        await self.hub.wake([("close_day", entity) for entity in entities])

        async def is_looked_at() -> bool:
            async with self.hub.pool.connection() as conn:
                found = await (await conn.execute("select count(*) from work where stage = 'close_day' and armed")).fetchone()
            return found == (0,)

        await self.until(is_looked_at)
        await self.settle()

    async def conservation(self) -> views.Conservation:
        """Return where everything is."""
        async with self.hub.pool.connection() as conn:
            return await views.conservation(conn)

    async def prove(self) -> TotalsProof:
        """Compare both sides by their own clients."""
        return await prove(list(self.accounts.values()), self.plain, self.provisioned, self.before)

    async def cases(self) -> list[Case]:
        """Return the open cases."""
        async with self.hub.pool.connection() as conn:
            return await cases.list_cases(conn)

    async def map(self, kind: str, entity: str, key: str, value: str) -> None:
        """Set a mapping as a person does."""
        async with self.hub.pool.connection() as conn, conn.transaction():
            found = await mappings.set_mappings(conn, [mappings.Mapping(kind, entity, key, value)], "tester", self.clock.now())
            await self.hub.arm(conn, found.touched)

    def person(self, action: str, **wish: Any) -> None:
        """Have a person do something in Odoo (the sandbox's interfering human)."""
        interference.act(self.odoo, {"action": action, **wish})

    async def look_at_books(self) -> None:
        """Have the hub read what is locked in the books now."""

        async def looked_at() -> Any:
            async with self.hub.pool.connection() as conn:
                return await (await conn.execute("select max(checked_at) from target_state")).fetchone()

        before = await looked_at()
        await self.hub.wake([("target", BOOKS)])

        async def is_looked_at() -> bool:
            return bool(await looked_at() != before)

        assert await wait_until(is_looked_at, timeout_s=20.0, every_s=0.05), "the books were not looked at"

    def has(self, key: str) -> bool:
        """Tell whether the books hold a record under our external key."""
        return self.odoo.db.xids.find(f"counterfoil.{key}") is not None

    def document(self, key: str) -> dict[str, Any]:
        """Return the journal entry (invoice, credit note, entry) under our external key."""
        env = self.odoo.env()
        return dict(env.row("account.move", env.ref(f"counterfoil.{key}")))

    def payment(self, key: str) -> dict[str, Any]:
        """Return the payment under our external key."""
        env = self.odoo.env()
        return dict(env.row("account.payment", env.ref(f"counterfoil.{key}")))

    def lines(self, key: str) -> dict[str, int]:
        """Return what an entry moves by account code, in minor units of its company's currency."""
        env = self.odoo.env()
        move = self.document(key)
        digits = 0 if env.row("res.currency", env.row("res.company", move["company_id"])["currency_id"])["name"] == "JPY" else 2
        found: dict[str, int] = {}
        for line_id in env.find("account.move.line", "move_id", move["id"]):
            line = env.row("account.move.line", line_id)
            if line["account_id"]:
                code = env.row("account.account", line["account_id"])["code"]
                found[code] = found.get(code, 0) + round(line["balance"] * 10**digits)
        return {code: minor for code, minor in found.items() if minor}

    def external_keys(self) -> list[str]:
        """Return all external keys of the hub in the books."""
        env = self.odoo.env()
        return sorted(row["name"] for row in env.rows("ir.model.data").values() if row["module"] == "counterfoil")

    def books_of(self, customer: str) -> list[tuple[Any, ...]]:
        """Return all that stands in the books for a customer (his id at Stripe), without ids and numbers."""
        env = self.odoo.env()
        partner = env.ref(f"counterfoil.customer_stripe.{customer}")
        moves = [env.row("account.move", move) for move in env.find("account.move", "partner_id", partner)]
        found: list[tuple[Any, ...]] = [
            (move["move_type"], move["state"], move["amount_total"], move["amount_tax"], move["amount_residual"], str(move["date"]))
            for move in moves
        ]
        lines = [row for row in env.rows("account.move.line").values() if row["partner_id"] == partner and row["account_id"]]
        found += [("line", env.row("account.account", row["account_id"])["code"], row["balance"], row["reconciled"]) for row in lines]
        return sorted(found, key=str)

    def unnamed(self) -> int:
        """Return how many entries and payments in the books bear no external id of ours: what was entered twice, or by others."""
        env = self.odoo.env()
        named = {(row["model"], row["res_id"]) for row in env.rows("ir.model.data").values() if row["module"] == "counterfoil"}
        payments = env.rows("account.payment").values()
        own = {move for move in env.rows("account.move") if ("account.move", move) in named}
        own |= {payment["move_id"] for payment in payments if ("account.payment", payment["id"]) in named}
        return len(env.rows("account.move").keys() - own) + sum(1 for one in payments if ("account.payment", one["id"]) not in named)

    def books(self, entity: str) -> dict[str, Any]:
        """Return the books of an entity as the sandbox reports them."""
        name = self.provisioned.companies[entity].entity.company
        return next(company for company in self.odoo.books()["companies"] if company["name"] == name)

    def balance(self, entity: str, code: str) -> int:
        """Return an account's balance in minor units."""
        return next((int(one["balance_minor"]) for one in self.books(entity)["trial_balance"] if one["code"] == code), 0)


_RESTLESS = f"""
select (select count(*) from to_read) + (select count(*) from to_decide)
    + (select count(*) from ({TO_SEND}) c)
"""


@asynccontextmanager
async def house(
    database_url: str,
    home: Path,
    *,
    entities: Sequence[DemoEntity] = ENTITIES,
    start: datetime = START,
    seed: int = 1,
    is_working: bool = True,
    change: Any = lambda values: None,
    odoo: Any = None,
) -> AsyncIterator[House]:
    """Put the hub together over fresh sandboxes. ``change`` may alter the configuration's values before they are validated.

    ``odoo``: something else to start and stop in the place of the sandbox; what looks into the books by the sandbox does not work then.
    """
    journal = Journal()
    journal.open()
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        stripe = StripeSandbox(seed, start=start, with_default_account=False)
        odoo = odoo or OdooSandbox()
        for sandbox in (stripe, odoo):
            await sandbox.start()
            stack.push_async_callback(sandbox.stop)
        odoo.set_today(start.date())
        control = await stack.enter_async_context(StripeControl(stripe.url))
        plain = await stack.enter_async_context(OdooPlain(odoo.url, odoo.db_name, odoo.api_key))
        provisioned = await books_in(odoo, plain, entities, start.date())
        before = await baseline(plain)
        accounts = {account.entity.key: account for account in await open_accounts(control, entities)}
        apis = {key: await stack.enter_async_context(StripePlain(one.url, one.key)) for key, one in accounts.items()}
        catalogs = {key: await build_catalog(apis[key], one.entity) for key, one in accounts.items()}
        clock = FollowingClock(start)
        values = values_of(odoo, provisioned, accounts.values(), database_url, home, change)
        hub = await stack.enter_async_context(open_hub(from_values(values), clock))
        address = await stack.enter_async_context(serve_intake(hub, "127.0.0.1", 0, SystemClock()))
        made = House(hub, clock, stripe, control, odoo, plain, provisioned, accounts, catalogs, apis, address, journal, before, values)
        if is_working:
            await hub.start_work(f"house-{next(_numbers)}")
        yield made


def settings_of(
    odoo: OdooSandbox, provisioned: Provisioned, accounts: Iterable[StripeAccount], database_url: str, home: Path, change: Any
) -> Settings:
    """Return the settings of :func:`values_of`."""
    return from_values(values_of(odoo, provisioned, accounts, database_url, home, change))


def values_of(
    odoo: OdooSandbox, provisioned: Provisioned, accounts: Iterable[StripeAccount], database_url: str, home: Path, change: Any
) -> dict[str, Any]:
    """Return the configuration's values; polling happens when a test asks for it."""
    stripes = {
        account.entity.connection: {
            "connector": "stripe",
            "api_key": account.key,
            "webhook_secrets": [SECRET],
            "account": account.id,
            "base_url": account.url,
            "requests_per_s": 1000.0,
        }
        for account in accounts
    }
    books = {"connector": "odoo", "url": odoo.url, "database": odoo.db_name, "login": odoo.login, "api_key": odoo.api_key}
    values: dict[str, Any] = {
        "hub": {"home": str(home), "database_url": database_url, "poll_interval_s": 3600.0, "capture_interval_s": 3600.0},
        "connections": {**stripes, BOOKS: {**books, **provisioned.configuration()}},
        "entities": provisioned.entities(BOOKS),
        "routes": provisioned.routes(),
        "mappings": provisioned.mappings(),
    }
    change(values)
    return values
