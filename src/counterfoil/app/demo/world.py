"""The systems around the hub in demonstration and simulation: the sandboxes (or a real Odoo), the books prepared, the accounts opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from counterfoil.app import sandboxes

from . import chart
from .company import StripeAccount, open_accounts
from .control import SandboxControl, StripeControl
from .entities import ENTITIES
from .odoo_plain import OdooPlain
from .proof import baseline
from .provision import Provisioned, provision
from .sales import SalesSystem
from .sales_systems import KINDS, USED_BY

BOOKS = "books"


@dataclass(frozen=True, slots=True)
class RealOdoo:
    """A real Odoo: a database to throw away, and the key of a user."""

    url: str
    database: str
    login: str
    api_key: str


@dataclass(slots=True)
class World:
    """The systems around the hub.

    ``odoo_control`` None: a real Odoo. ``before``: the books' newest entry when it began. ``sales``: the sales
    systems by the keys of the entities that use them; none: nothing is sold there.
    """

    stripe: StripeControl
    odoo_control: SandboxControl | None
    odoo: OdooPlain
    odoo_settings: dict[str, Any]
    provisioned: Provisioned
    before: int
    accounts: tuple[StripeAccount, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)
    sales: dict[str, SalesSystem] = field(default_factory=dict)

    @property
    def sales_systems(self) -> tuple[SalesSystem, ...]:
        """Each sales system once."""
        return tuple({id(one): one for one in self.sales.values()}.values())

    async def register(self, port: int) -> None:
        """Have every account's events delivered to a port of this machine."""
        for account in self.accounts:
            url = f"http://127.0.0.1:{port}/in/{account.entity.connection}"
            self.secrets[account.id] = await self.stripe.add_webhook(url, account.id)

    def values(self, home: Path, hub: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hub's configuration as values; ``hub`` holds further settings of its section."""
        stripes = {
            account.entity.connection: {
                "connector": "stripe",
                "api_key": account.key,
                "webhook_secrets": [self.secrets[account.id]],
                "account": account.id,
                "base_url": account.url,
                "requests_per_s": 500.0,
                "poll_overlap_s": 3600,
            }
            for account in self.accounts
        }
        return {
            "hub": {"home": str(home), **hub},
            "connections": {
                **stripes,
                BOOKS: {"connector": "odoo", **self.odoo_settings, **self.provisioned.configuration()},
                **{one.connection: one.settings for one in self.sales_systems},
            },
            "destinations": [{"purpose": "crm_status", "connection": one.connection} for one in self.sales_systems],
            "entities": self.provisioned.entities(BOOKS),
            "routes": self.provisioned.routes(),
            "mappings": self.provisioned.mappings(),
        }


@asynccontextmanager
async def open_world(
    seed: int, start: datetime, real: RealOdoo | None = None, rates: chart.Rates = chart.RATES, *, has_sales: bool = False
) -> AsyncIterator[World]:
    """Start the sandboxes in a process of their own, the source's clock at ``start``, and prepare the books.

    ``has_sales``: the sales systems are there, too.
    """
    async with AsyncExitStack() as stack:
        names = ["stripe", *([] if real else ["odoo"]), *(KINDS if has_sales else [])]
        details = await stack.enter_async_context(sandboxes.apart(names, {"stripe": {"seed": seed, "start": int(start.timestamp())}}))
        stripe = await stack.enter_async_context(StripeControl(details["stripe"]["url"]))
        control: SandboxControl | None = None
        if real:
            given = {"url": real.url, "database": real.database, "login": real.login, "api_key": real.api_key}
        else:
            books = details["odoo"]
            control = await stack.enter_async_context(SandboxControl(books["url"]))
            given = {"url": books["url"], "database": books["db"], "login": books["login"], "api_key": books["api_key"]}
        odoo = await stack.enter_async_context(OdooPlain(given["url"], given["database"], given["api_key"], given["login"]))
        world = World(stripe, control, odoo, given, await provision(odoo, ENTITIES, rates), await baseline(odoo))
        world.accounts = await open_accounts(stripe, ENTITIES)
        if has_sales:
            systems = {name: kind(details[name]) for name, kind in KINDS.items()}
            for system in systems.values():
                await system.open(stack)
                await system.show(start)
            world.sales = {entity: systems[name] for entity, name in USED_BY.items()}
        yield world
