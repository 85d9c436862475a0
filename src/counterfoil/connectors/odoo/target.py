"""The books: their check, state and suggestion, and what in them bears our keys."""

from __future__ import annotations

from counterfoil.connectors.odoo import check, known, suggest
from counterfoil.connectors.odoo.detect import connect, forget
from counterfoil.connectors.odoo.periods import locks_by_entity
from counterfoil.kit.connector import Finding
from counterfoil.kit.context import Context
from counterfoil.kit.holdings import KnownPage
from counterfoil.kit.requirements import Requirements, TargetState
from counterfoil.kit.suggestions import Processors, Suggestion


class OdooTarget:
    """Odoo as books."""

    async def check(self, ctx: Context, requirements: Requirements) -> tuple[Finding, ...]:
        """Name every missing right, module, company, journal, account, tax, currency and rate, each with its remedy."""
        forget(ctx)
        return await check.check(ctx, requirements)

    async def state(self, ctx: Context) -> TargetState:
        """Return Odoo's version and the last locked days per entity. Raises TransientError, SetupError, RejectedError."""
        session = await connect(ctx)
        locks = await locks_by_entity(ctx, session)
        return TargetState(
            session.dialect.version,
            {entity: found.everything for entity, found in locks.items()},
            {entity: found.sales for entity, found in locks.items()},
            {entity: found.taxed for entity, found in locks.items()},
        )

    async def known(self, ctx: Context, cursor: str) -> KnownPage:
        """Return the next page of our external ids, in the order they were given."""
        return await known.known(ctx, cursor)

    async def suggest(self, ctx: Context, processors: Processors) -> Suggestion:
        """Return the companies, journals, accounts and taxes found."""
        return await suggest.suggest(ctx, processors)
