"""Types of objects, their properties and associations, as every account has them.

Sources: https://developers.hubspot.com/docs/guides/crm/understanding-the-crm#object-type-ids,
https://developers.hubspot.com/docs/api-reference/latest/crm/associations/guide (ids of association types).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]
"""A JSON object as the API takes and answers it."""


@dataclass(frozen=True)
class Type:
    """One type of object. ``shown``: the properties an answer holds when none are asked for; ``numbers``: those that must be numbers."""

    path: str
    name: str
    type_id: str
    changed_at: str
    properties: frozenset[str]
    shown: tuple[str, ...]
    numbers: frozenset[str] = frozenset()
    unique: frozenset[str] = field(default_factory=frozenset)


def _type(
    path: str, name: str, type_id: str, properties: str, shown: str, changed_at: str = "hs_lastmodifieddate", numbers: str = ""
) -> Type:
    always = {"createdate", changed_at, "hs_object_id", "hs_merged_object_ids"}
    names = frozenset(properties.split()) | always
    return Type(
        path, name, type_id, changed_at, names, (*shown.split(), "createdate", changed_at, "hs_object_id"), frozenset(numbers.split())
    )


TYPES: dict[str, Type] = {
    one.path: one
    for one in (
        _type("companies", "company", "0-2", "name domain phone country city state zip address website industry", "name domain"),
        _type(
            "contacts", "contact", "0-1", "firstname lastname email phone company lifecyclestage country", "firstname lastname email",
            "lastmodifieddate",
        ),
        _type(
            "deals", "deal", "0-3", "dealname amount deal_currency_code dealstage pipeline closedate hs_is_closed hs_is_closed_won",
            "dealname amount dealstage pipeline closedate", numbers="amount",
        ),
        _type(
            "line_items", "line_item", "0-8",
            "name quantity price amount discount hs_product_id hs_sku recurringbillingfrequency hs_recurring_billing_start_date",
            "quantity amount", numbers="quantity price amount discount",
        ),
        _type(
            "quotes", "quote", "0-14",
            "hs_title hs_status hs_quote_number hs_quote_amount hs_currency hs_expiration_date hs_sender_email hs_language hs_esign_enabled"
            " hs_esign_num_signers_required hs_esign_num_signers_completed hs_esign_date hs_manually_signed hs_payment_status"
            " hs_payment_date",
            "hs_title hs_status hs_expiration_date",
            numbers="hs_quote_amount hs_esign_num_signers_required hs_esign_num_signers_completed",
        ),
        _type("products", "product", "0-7", "name price hs_sku description", "name price", numbers="price"),
        _type("tickets", "ticket", "0-5", "subject content hs_pipeline hs_pipeline_stage", "subject content hs_pipeline_stage"),
    )
}  # fmt: skip
"""By the name in addresses."""

COMPUTED = frozenset({"hs_is_closed", "hs_is_closed_won", "hs_object_id", "hs_merged_object_ids", "createdate", "hs_lastmodifieddate",
                      "lastmodifieddate"})  # fmt: skip
"""Properties nobody writes."""

STAGES = {"closedwon": ("true", "true"), "closedlost": ("true", "false")}
"""By stage of the default pipeline: is it closed, and won. Any other stage is open."""

ASSOCIATIONS: dict[tuple[str, str], tuple[int, int]] = {
    ("contacts", "companies"): (279, 1),
    ("companies", "contacts"): (280, 2),
    ("deals", "companies"): (341, 5),
    ("companies", "deals"): (342, 6),
    ("deals", "contacts"): (3, 0),
    ("contacts", "deals"): (4, 0),
    ("deals", "line_items"): (19, 0),
    ("line_items", "deals"): (20, 0),
    ("line_items", "products"): (0, 0),
    ("quotes", "deals"): (64, 0),
    ("deals", "quotes"): (63, 0),
    ("quotes", "contacts"): (69, 0),
    ("contacts", "quotes"): (70, 0),
    ("quotes", "companies"): (71, 0),
    ("companies", "quotes"): (72, 0),
    ("quotes", "line_items"): (67, 0),
    ("line_items", "quotes"): (68, 0),
}
"""The plain type of an association, and that of the primary one (0: there is none)."""


def find(name: str) -> Type | None:
    """Return a type by its name in addresses, in the singular, or by its number."""
    return TYPES.get(name) or next((one for one in TYPES.values() if name in (one.name, one.type_id)), None)
