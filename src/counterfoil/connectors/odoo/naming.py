"""Giving records that are there already one of our external ids, by which every other part of the connector finds what is the hub's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.known import KnownRow
from counterfoil.connectors.odoo.xids import listed
from counterfoil.kit.errors import RejectedError, SetupError, TransientError

_DATA = "ir.model.data"
_RACES_MAX = 5


async def listed_of(session: Session, model: str, ids: Sequence[int]) -> list[KnownRow]:
    """Return our external ids of records. Raises SetupError if this user may not read the list of them."""
    domain = [["module", "=", session.settings.namespace], ["model", "=", model], ["res_id", "in", list(ids)]]
    try:
        return await session.client.read(_DATA, domain, KnownRow)
    except SetupError as error:
        raise _right_missing(error) from error


async def name_records(session: Session, model: str, names: Mapping[str, str]) -> dict[str, str]:
    """Give records (external key -> ``model/id``) our external ids where nobody bears them; return who bears each key afterwards.

    The list of external ids is written itself: ``load`` with an id of both kinds makes a new record. All of a call are written or none, and
    none that is there: who is written at the same moment by somebody else is looked up again.

    Raises TransientError, SetupError.
    """
    for _ in range(_RACES_MAX):
        borne = await _borne(session, model, names)
        absent = {key: one for key, one in names.items() if key not in borne}
        if not absent:
            return borne
        rows = [
            {"module": session.settings.namespace, "name": key, "model": model, "res_id": int(one.rpartition("/")[2]), "noupdate": False}
            for key, one in absent.items()
        ]
        try:
            await session.client.call(_DATA, "create", vals_list=rows, is_write=True, is_idempotent=True)
        except SetupError as error:
            raise _right_missing(error) from error
        except RejectedError:
            continue  # another one wrote one of them since it was looked for
    raise TransientError("external ids were taken by others again and again; nothing was written", code="odoo.locked", retry_after_s=2.0)


async def _borne(session: Session, model: str, names: Mapping[str, str]) -> dict[str, str]:
    namespace = session.settings.namespace
    found = await listed(session, model, [f"{namespace}.{key}" for key in names])
    if found is None:
        raise _right_missing(None)
    return {key: f"{model}/{found[f'{namespace}.{key}']}" for key in names if f"{namespace}.{key}" in found}


def _right_missing(error: SetupError | None) -> SetupError:
    if error is not None and error.code != "odoo.forbidden":
        return error
    return SetupError(
        "the integration user may not read and write external ids, by which adopted records are known: give it the group Administration:"
        " Access Rights for as long as records are adopted",
        code="odoo.adopt_right",
    )
