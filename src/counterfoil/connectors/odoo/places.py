"""Countries, states and languages of the connected Odoo, read once per process."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.partner_rows import PartnerWords
from counterfoil.connectors.odoo.wire import Ref, Text, ref, text
from counterfoil.kit.context import Context

_STATE_KEY = "odoo.places"


class CountryRow(Struct, frozen=True):
    """A country."""

    id: int
    code: Text


class StateRow(Struct, frozen=True):
    """A state of a country."""

    id: int
    code: Text
    name: str
    country_id: Ref


class LanguageRow(Struct, frozen=True):
    """An installed language."""

    code: str


async def places(ctx: Context, session: Session) -> PartnerWords:
    """Return what this Odoo knows of places and languages."""
    known = ctx.state.get(_STATE_KEY)
    if isinstance(known, PartnerWords):
        return known
    client = session.client
    countries, states, languages = await asyncio.gather(
        client.read("res.country", [], CountryRow),
        client.read("res.country.state", [], StateRow),
        client.read("res.lang", [], LanguageRow),
    )
    codes = {row.id: text(row.code) for row in countries}
    by_word: dict[tuple[str, str], int] = {}
    for state in states:
        country = codes.get(ref(state.country_id), "")
        for word in (state.name, text(state.code)):  # the code wins where a name equals another state's code
            by_word[country, word.lower()] = state.id
    found = PartnerWords({text(row.code): row.id for row in countries}, by_word, tuple(row.code for row in languages))
    ctx.state[_STATE_KEY] = found
    return found
