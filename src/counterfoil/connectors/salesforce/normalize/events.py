"""Which records a delivery is about. Pure."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.salesforce.refs import KINDS, Ref, is_id, to_18
from counterfoil.connectors.salesforce.wire import Notice
from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import DriftError, RejectedError

ROW, LISTED, FETCHED = "row", "listed", "fetched"
"""A list's whole row; a list's word that an opportunity changed; what the hub asked for."""

ACTIONS = frozenset({ROW, LISTED, FETCHED})
_NOTICE = msgspec.json.Decoder(Notice)


def classified(delivery: Delivery) -> tuple[str, str]:
    """Return kind and action of a delivery. Raises DriftError for what is in no table."""
    kind, _, action = delivery.kind.partition(".")
    if kind not in KINDS or action not in ACTIONS or (action == LISTED and kind != DEAL.name):
        message = f"no table knows deliveries {delivery.kind[:80]!r}"
        raise DriftError(message, code="salesforce.unknown_event", drift_key=f"event/{delivery.kind[:80]}")
    return kind, action


def refs_of(delivery: Delivery, action: str) -> tuple[str, ...]:
    """Return what must be fetched for a delivery. Raises RejectedError if it names no record."""
    if action != LISTED:
        return ()
    try:
        notice = _NOTICE.decode(delivery.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(
            f"{delivery.kind} cannot be read: {error}", code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT
        ) from error
    if not is_id(notice.id) or not is_id(delivery.account):
        raise RejectedError(f"{delivery.kind} names no record", code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT)
    return (str(Ref(to_18(delivery.account), DEAL.name, to_18(notice.id))),)
