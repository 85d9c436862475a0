"""Whoever decides in the hub which customers are one, and takes it back: what stories of mistaken merges act with."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg_pool import PoolTimeout

from counterfoil.app import identities
from counterfoil.app.database import Database
from counterfoil.app.identities import IdentityAct, IdentityVerb
from counterfoil.kit.clock import Clock
from counterfoil.kit.errors import SetupError

ACTOR = "sales operations"


@dataclass(frozen=True, slots=True)
class DataSteward:
    """Decides by the same intent as ``counterfoil identity`` does, with the hub's own clock."""

    database: Database
    clock: Clock

    async def merge(self, gone: str, kept: str) -> bool:
        """Merge a customer into another, both by their ids at the source; False: the hub does not know them yet, or does not answer."""
        return await self._decide(IdentityVerb.MERGE, gone, kept, "one firm, as it seemed")

    async def unmerge(self, gone: str) -> bool:
        """Take it back; False: the hub does not answer, or has not read the merge yet."""
        return await self._decide(IdentityVerb.UNMERGE, gone, "", "two firms that share an office")

    async def _decide(self, verb: IdentityVerb, key: str, other: str, reason: str) -> bool:
        act = IdentityAct(verb, _key_of(key), _key_of(other) if other else "")
        try:
            await identities.decide(self.database, act, ACTOR, reason, self.clock.now())
        except (LookupError, ValueError, SetupError, psycopg.Error, PoolTimeout):
            return False
        return True


def _key_of(customer: str) -> str:
    return f"customer/stripe:{customer}"
