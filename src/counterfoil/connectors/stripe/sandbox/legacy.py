"""Older API versions: how the shapes before basil (2025-03-31) and before clover (2025-09-30) differ from the present one.

Sources: https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects,
.../add-support-for-multiple-partial-payments-on-invoices, .../deprecate-subscription-current-period-start-and-end, and Stripe's own
OpenAPI file of 2023-08-16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .forms import Obj
from .world import Account

BASIL = "2025-03-31"
CLOVER = "2025-09-30"


def rewrite(account: Account, obj: Obj, out: Obj, version: str) -> None:
    """Change a rendered object in place to what an older version shows."""
    if not version or version[:10] >= CLOVER:
        return
    kind = obj.get("object", "")
    if kind in ("discount", "promotion_code"):
        _coupon(account, out, "source" if kind == "discount" else "promotion")
    if version[:10] >= BASIL:
        return
    rewriter = _REWRITERS.get(kind)
    if rewriter is not None:
        rewriter(account, obj, out)


def _coupon(account: Account, out: Obj, holder: str) -> None:
    held = out.pop(holder)["coupon"]
    coupon = account.find(held, "coupon")
    out["coupon"] = {k: v for k, v in coupon.items() if k[0] != "_"} if coupon else held


def _discount(account: Account, ids: list[str]) -> Obj | None:
    found = account.find(ids[0], "discount") if ids else None
    if found is None:
        return None
    out = {k: v for k, v in found.items() if k[0] != "_"}
    _coupon(account, out, "source")
    return out


def tax_amounts(taxes: Any) -> list[Obj]:
    """Return taxes as the old ``tax_amounts``."""
    return [
        {
            "amount": tax["amount"],
            "inclusive": tax["tax_behavior"] == "inclusive",
            "tax_rate": tax["tax_rate_details"]["tax_rate"],
            "taxability_reason": None if tax["taxability_reason"] == "not_available" else tax["taxability_reason"],
            "taxable_amount": tax["taxable_amount"],
        }
        for tax in taxes or ()
    ]


def _invoice(account: Account, obj: Obj, out: Obj) -> None:
    taxes = out.pop("total_taxes")
    parent = out.pop("parent") or {}
    details = parent.get("subscription_details") or {}
    payments = (account.find(payment, "invoice_payment") for payment in obj["_payments"])
    default = next((p for p in payments if p and p["is_default"]), None)
    intent = account.find(default["payment"].get("payment_intent"), "payment_intent") if default else None
    out["payment_intent"] = intent["id"] if intent else None
    out["charge"] = intent["latest_charge"] if intent else None
    out["paid"] = obj["status"] == "paid"
    out["paid_out_of_band"] = obj["_paid_out_of_band"]
    out["subscription"] = details.get("subscription")
    out["subscription_details"] = {"metadata": details.get("metadata")}
    out["quote"] = (parent.get("quote_details") or {}).get("quote")
    out["tax"] = sum(tax["amount"] for tax in taxes or ()) if taxes else None
    out["total_tax_amounts"] = tax_amounts(taxes)
    out["discount"] = _discount(account, obj["discounts"])
    out["rendering_options"] = None
    out["application_fee_amount"] = None
    out["transfer_data"] = None
    for field in ("amount_overpaid", "amount_paid_off_stripe", "status_details", "total_pretax_credit_amounts", "confirmation_secret"):
        out.pop(field, None)


def _price(account: Account, pricing: Obj | None) -> Obj | None:
    details = (pricing or {}).get("price_details")
    found = account.find(details["price"], "price") if details else None
    return {k: v for k, v in found.items() if k[0] != "_"} if found else None


def _line_item(account: Account, obj: Obj, out: Obj) -> None:
    parent = out.pop("parent")
    taxes = out.pop("taxes")
    out["price"] = _price(account, out.pop("pricing"))
    is_item = parent["type"] == "invoice_item_details"
    details = parent[parent["type"]]
    out["type"] = "invoiceitem" if is_item else "subscription"
    out["proration"] = details["proration"]
    out["proration_details"] = details.get("proration_details") or {"credited_items": None}
    out["subscription"] = details.get("subscription")
    if details.get("invoice_item"):
        out["invoice_item"] = details["invoice_item"]
    if details.get("subscription_item"):
        out["subscription_item"] = details["subscription_item"]
    out["tax_amounts"] = tax_amounts(taxes)
    rates = (account.find(rate, "tax_rate") for rate in obj["_tax_rates"])
    out["tax_rates"] = [{k: v for k, v in rate.items() if k[0] != "_"} for rate in rates if rate]
    inclusive = sum(tax["amount"] for tax in taxes or () if tax["tax_behavior"] == "inclusive")
    out["amount_excluding_tax"] = obj["amount"] - inclusive
    for field in ("subtotal", "pretax_credit_amounts", "quantity_decimal"):
        out.pop(field, None)


def _subscription(account: Account, obj: Obj, out: Obj) -> None:
    item = next((i for i in (account.find(x, "subscription_item") for x in obj["_items"]) if i), None)
    out["current_period_start"] = item["current_period_start"] if item else obj["start_date"]
    out["current_period_end"] = item["current_period_end"] if item else obj["start_date"]
    out["discount"] = _discount(account, obj["discounts"])
    for field in ("billing_mode", "billing_schedules", "managed_payments", "status_details"):
        out.pop(field, None)


def _subscription_item(_account: Account, _obj: Obj, out: Obj) -> None:
    for field in ("current_period_start", "current_period_end", "billed_until"):
        out.pop(field, None)


def _payment_intent(account: Account, obj: Obj, out: Obj) -> None:
    out["invoice"] = obj.get("_invoice")
    out.pop("excluded_payment_method_types", None)
    out.pop("managed_payments", None)


def _charge(account: Account, obj: Obj, out: Obj) -> None:
    intent = account.find(obj["payment_intent"], "payment_intent")
    out["invoice"] = (intent or obj).get("_invoice")


def _invoiceitem(account: Account, obj: Obj, out: Obj) -> None:
    parent = out.pop("parent") or {}
    details = parent.get("subscription_details") or {}
    pricing = out.pop("pricing")
    out["price"] = _price(account, pricing)
    out["subscription"] = details.get("subscription")
    if details.get("subscription_item"):
        out["subscription_item"] = details["subscription_item"]
    decimal = (pricing or {}).get("unit_amount_decimal")
    out["unit_amount_decimal"] = decimal
    out["unit_amount"] = int(decimal) if decimal and decimal.lstrip("-").isdigit() else None
    for field in ("net_amount", "proration_details", "quantity_decimal"):
        out.pop(field, None)


def _credit_note(_account: Account, _obj: Obj, out: Obj) -> None:
    out["tax_amounts"] = tax_amounts(out.pop("total_taxes"))
    refunds = out.pop("refunds")
    out["refund"] = refunds[0]["refund"] if refunds else None
    for field in ("pre_payment_amount", "post_payment_amount", "pretax_credit_amounts"):
        out.pop(field, None)
    if out["type"] == "mixed":
        out["type"] = "post_payment"


def _credit_note_line_item(_account: Account, _obj: Obj, out: Obj) -> None:
    taxes = out.pop("taxes")
    out["tax_amounts"] = tax_amounts(taxes)
    inclusive = sum(tax["amount"] for tax in taxes or () if tax["tax_behavior"] == "inclusive")
    out["amount_excluding_tax"] = out["amount"] - inclusive
    out["unit_amount_excluding_tax"] = None
    out.pop("pretax_credit_amounts", None)


def _product(_account: Account, _obj: Obj, out: Obj) -> None:
    out["features"] = out.pop("marketing_features", [])


_REWRITERS: dict[str, Callable[[Account, Obj, Obj], None]] = {
    "invoice": _invoice,
    "line_item": _line_item,
    "subscription": _subscription,
    "subscription_item": _subscription_item,
    "payment_intent": _payment_intent,
    "charge": _charge,
    "invoiceitem": _invoiceitem,
    "credit_note": _credit_note,
    "credit_note_line_item": _credit_note_line_item,
    "product": _product,
}
