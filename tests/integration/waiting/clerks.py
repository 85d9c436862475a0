"""People who say who is who, and the customers they are asked of, for tests."""

from __future__ import annotations

from tests.integration.waiting.test_people_merge import Desk

from counterfoil.app.resemblances import Resemblance, resemblances
from counterfoil.core.kinds.customer import Address, Customer, TaxId
from counterfoil.store import matches
from counterfoil.upkeep.matching import Matcher

BERLIN = Address("Hauptstr. 5", "", "Berlin", "", "10115", "DE")


ACME = Customer("stripe:cus_1", "Acme Tools GmbH", "office@acme-tools.de", address=BERLIN, tax_ids=(TaxId("eu_vat", "DE136695976"),))


SAME = Customer("files:17", "ACME Tools", "billing@acme-tools.de", tax_ids=(TaxId("eu_vat", "DE 136 695 976"),))


ALIKE = Customer("files:18", "Acme Tool GmbH", "x@gmail.com", address=Address(country="DE"))


OTHER = Customer("files:19", "Borealis Shipping Ltd", "desk@borealis.co.uk", address=Address(country="GB"))


class Clerks(Desk):
    """An office with people who say who is who, and the stage that compares customers."""

    def matcher(self) -> Matcher:
        """Return the stage, as every worker has one."""
        return Matcher(self.pool, self.cipher, self.rules_source(), self.clock, self.arm)

    async def compare(self) -> None:
        """Compare whoever is to be compared, and decide what that moves."""
        stage = self.matcher()
        async with self.pool.connection() as conn:
            left = len(await matches.due(conn, 100))
        for _ in range(left + 1):
            await stage.turn("all")
        await self.decide()

    async def report(self, *customers: Customer) -> None:
        """Have customers told, and compared."""
        for one in customers:
            await self.tell(one, connection=one.id.partition(":")[0])
            await self.compare()

    async def asked(self) -> list[str]:
        """Return of whom people are asked now: both ids of each case."""
        return [case.fingerprint.partition("|")[2].replace("|", " ") for case in await self.cases()]

    async def pairs(self, key: str = "") -> list[Resemblance]:
        """Return the pairs as people see them."""
        return await resemblances(self.database(), key)

    async def wish(self, verb: str, one: Customer, other: Customer | None = None) -> None:
        """Have people say something of one or two, and all that follows."""
        await self.act(verb, one.id, "" if other is None else other.id)
        await self.compare()
