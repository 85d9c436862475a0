"""Customers that may be one, as people look at them: both sides, what speaks for and against it, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.app.database import Database
from counterfoil.core.identity.matching.evidence import Evidence
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.language.masking import masked
from counterfoil.kit.codec import decode_record
from counterfoil.kit.errors import RejectedError
from counterfoil.store import matches, objects
from counterfoil.store.matches import MatchPair
from counterfoil.upkeep.found_pairs import unpacked

_TELLS_OF_NOBODY = frozenset({"country", "legal form", "external id"})
_MASKS = {"tax id": "VAT id", **dict.fromkeys(("street", "city", "postal code", "state"), "address")}
"""What stands for a value where it is not what is compared that is called so."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """Two customers that may be one. As in a trace, names, numbers and addresses are masked: whoever answers looks both up where they are
    kept.

    Attributes:
        keys: of both. names: ``[name]`` of each that has one, in the same order. connections: which told them first.
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
    return "[name]" if isinstance(customer, Customer) and customer.name else ""


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
        tuple(_without_values(one) for one in found.evidence),
        tuple(masked(one, _values_of(found.evidence)) for one in found.remarks),
    )


def _mask_of(one: Evidence) -> str:
    return _MASKS.get(one.about, one.about)


def _without_values(one: Evidence) -> Evidence:
    if one.about in _TELLS_OF_NOBODY:
        return one
    return one._replace(left=f"[{_mask_of(one)}]", right=f"[{_mask_of(one)}]")


def _values_of(evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return what a remark may repeat, as it is and as a remark writes it, with what it is."""
    told = [(one, value) for one in evidence if one.about not in _TELLS_OF_NOBODY for value in (one.left, one.right)]
    return [(written, _mask_of(one)) for one, value in told for written in (value, repr(value)[1:-1])]
