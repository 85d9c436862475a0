"""Customers that may be one, as people look at them: both sides, what speaks for and against it, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.app.database import Database
from counterfoil.core.identity.matching.evidence import Evidence
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.kit.codec import decode_record
from counterfoil.kit.errors import RejectedError
from counterfoil.store import matches, objects
from counterfoil.store.matches import MatchPair
from counterfoil.upkeep.found_pairs import unpacked


@dataclass(frozen=True, slots=True)
class Resemblance:
    """Two customers that may be one.

    Attributes:
        keys: of both. names: theirs, in the same order. connections: which told them first.
        answer: empty: none yet; ``apart``: people say they are two; ``linked``: the hub linked them.
        verdict: ``same`` or ``review``; empty, as rule: nobody compared them yet. evidence: the first value of each piece is the first
            customer's.
    """

    keys: tuple[str, str]
    names: tuple[str, str]
    connections: tuple[str, str]
    entity: str
    answer: str
    found_at: datetime
    verdict: str = ""
    rule: str = ""
    score: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    remarks: tuple[str, ...] = ()


async def resemblances(database: Database, key: str = "", *, limit: int = 100) -> list[Resemblance]:
    """Return the pairs nobody has answered, the newest first; of one customer, by key, all, with those that are answered.

    Raises:
        LookupError: no such customer is known.
    """
    id = key.strip().removeprefix(f"{CUSTOMER.name}/")
    async with database.pool.connection() as conn:
        if not id:
            pairs = await matches.unanswered(conn, database.cipher, limit)
        elif await objects.load(conn, database.cipher, [CUSTOMER.ref(id)]):
            pairs = await matches.pairs_of(conn, database.cipher, [id])
        else:
            raise LookupError(f"no customer is known as {id}; `counterfoil trace` finds things by id, number or name")
        sides = await objects.load(conn, database.cipher, [CUSTOMER.ref(one) for pair in pairs for one in pair.ids])
    known = {ref.id: (row.connection, _name(row)) for ref, row in sides.items()}
    return [_resemblance(pair, [known.get(one, ("", "")) for one in pair.ids]) for pair in pairs]


def _name(row: objects.ObjectRow) -> str:
    try:
        customer = decode_record(row.ref.kind, row.data)
    except RejectedError:
        return ""
    return customer.name if isinstance(customer, Customer) else ""


def _resemblance(pair: MatchPair, sides: Sequence[tuple[str, str]]) -> Resemblance:
    (connection, name), (other_connection, other_name) = sides
    keys = CUSTOMER.ref(pair.one).key, CUSTOMER.ref(pair.other).key
    plain = Resemblance(keys, (name, other_name), (connection, other_connection), pair.entity, pair.answer, pair.found_at)
    found = unpacked(pair)
    if found is None:
        return plain
    return Resemblance(
        plain.keys,
        plain.names,
        plain.connections,
        plain.entity,
        plain.answer,
        plain.found_at,
        found.verdict,
        found.rule,
        found.score,
        found.evidence,
        found.remarks,
    )
