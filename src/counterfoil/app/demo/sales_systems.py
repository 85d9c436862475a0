"""The two sales systems of the company: Salesforce for the United States and Japan, HubSpot for the German company that was bought."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from .hubspot_plain import HubspotPlain
from .sales import FIGURES, CompanySeen, SalesFault, SalesSystem
from .salesforce_plain import SalesforcePlain

_PROPERTY, _FIELD = "stripe_customer_id", "Stripe_Customer_Id__c"


class Hubspot(SalesSystem):
    """HubSpot, whose companies are merged by its interface: what is left of two is a record of a new number."""

    word = "HubSpot"
    connection = "hubspot"
    _CALLS = "^POST /crm/objects/[^/]+/companies/batch/"
    faults = (
        SalesFault("drop_after", _CALLS),
        SalesFault("status", _CALLS, {"status": 503}),
        SalesFault("status", _CALLS, {"status": 429, "retry_after_s": 0}),
    )

    @property
    def settings(self) -> dict[str, Any]:
        """The connection's settings: it is polled alone. Its clock is never ahead of the hub's, and behind it when that begins to poll."""
        return {
            "connector": "hubspot",
            "portal_id": self.details["portal_id"],
            "currency": "USD",
            "access_token": self.details["access_token"],
            "base_url": self.details["url"],
            "customer_ids": {_PROPERTY: "stripe"},
            "requests_per_s": 500.0,
            "searches_per_s": 100.0,
            "deleted_every_s": 0,
        }

    async def open(self, stack: AsyncExitStack) -> None:
        """Open its clients, and give companies a property that names their customer."""
        await stack.enter_async_context(self.control)
        self._plain = await stack.enter_async_context(HubspotPlain(self.details["url"], self.details["access_token"]))
        await self._plain.add_property(_PROPERTY, "Stripe customer")

    async def add(self, name: str, customer: str) -> str:
        """Make a company of a customer and return its number."""
        return await self._plain.add_company(name=name, **{_PROPERTY: customer})

    async def rename(self, company: str, name: str) -> None:
        """Give a company another name."""
        await self._plain.change_company(company, name=name)

    async def merge(self, winner: str, loser: str) -> str:
        """Merge a company into another and return the number of what is left."""
        return await self._plain.merge_companies(winner, loser)

    async def rows(self) -> AsyncIterator[CompanySeen]:
        """Yield what every company shows."""
        names = {figure: f"counterfoil_{figure}" for figure in FIGURES}
        currency, others = "counterfoil_currency", "counterfoil_other_currencies"
        async for values in self._plain.companies([_PROPERTY, "name", currency, others, *names.values()]):
            figures = {figure: values[name] for figure, name in names.items()}
            yield CompanySeen(values[_PROPERTY], values["name"], values[currency], figures, bool(values[others]))


class Salesforce(SalesSystem):
    """Salesforce, whose accounts people merge in its pages: the one that was chosen keeps its id."""

    word = "Salesforce"
    connection = "salesforce"
    _CALLS = "/composite/sobjects"
    faults = (SalesFault("drop_after", _CALLS), SalesFault("status", _CALLS, {"status": 503}))
    hub_calls = "/services/data/v67.0/"

    @property
    def settings(self) -> dict[str, Any]:
        """The connection's settings: it is polled alone. Its clock is never ahead of the hub's, and behind it when that begins to poll."""
        return {
            "connector": "salesforce",
            "base_url": self.details["url"],
            "org_id": self.details["org_id"],
            "client_id": self.details["client_id"],
            "client_secret": self.details["client_secret"],
            "currency": "USD",
            "api_version": "67.0",
            "customer_ids": {_FIELD: "stripe"},
            "requests_per_s": 500.0,
        }

    async def open(self, stack: AsyncExitStack) -> None:
        """Open its clients, and give accounts a field that names their customer."""
        await stack.enter_async_context(self.control)
        plain = SalesforcePlain(self.details["url"], self.details["client_id"], self.details["client_secret"])
        self._plain = await stack.enter_async_context(plain)
        # A month passes in seconds: what is merged while the hub is cut off would have left the recycle bin before it could look again.
        await self.control.call("POST", "/clock", bin_days=60)
        await self.control.call("POST", "/fields", do="add", type="Account", name=_FIELD)

    async def add(self, name: str, customer: str) -> str:
        """Make an account of a customer and return its id."""
        return await self._plain.add_account(Name=name, **{_FIELD: customer})

    async def rename(self, company: str, name: str) -> None:
        """Give an account another name."""
        await self._plain.change_account(company, Name=name)

    async def merge(self, winner: str, loser: str) -> str:
        """Merge an account into another; the id of the first stays."""
        return str((await self.control.call("POST", "/records", merge=[winner, loser]))["id"])

    async def rows(self) -> AsyncIterator[CompanySeen]:
        """Yield what every account shows."""
        names = {figure: f"Counterfoil_{figure.title()}__c" for figure in FIGURES}
        currency, others = "Counterfoil_Currency__c", "Counterfoil_Other_Currencies__c"
        async for values in self._plain.accounts([_FIELD, "Name", currency, others, *names.values()]):
            figures = {figure: values[name] for figure, name in names.items()}
            yield CompanySeen(values[_FIELD], values["Name"], values[currency], figures, bool(values[others]))


KINDS: Mapping[str, type[SalesSystem]] = {"hubspot": Hubspot, "salesforce": Salesforce}
"""By the name of the simulator."""
USED_BY: Mapping[str, str] = {"US": "salesforce", "DE": "hubspot", "JP": "salesforce"}
"""Which of them those who sell for an entity use, by the entity's key."""
