"""Subscriptions: their states, periods and the invoices they make as time passes.

Sources: https://docs.stripe.com/billing/subscriptions/overview (states), /billing-cycle, /trials, /cancel, /pause-payment.
"""

from __future__ import annotations

from . import collection, errors, invoices
from .cards import behavior
from .catalog import amount_of
from .forms import Obj
from .items import new_line, pending_items, pricing_of, take_items
from .render import subscription_items
from .timeline import DAY, HOUR, add_interval
from .world import Account

ENDED = ("canceled", "incomplete_expired")


def price_of(account: Account, item: Obj) -> Obj:
    """Return the price of a subscription item."""
    return account.get("price", item["_price"])


def period_of(account: Account, subscription: Obj) -> tuple[int, int]:
    """Return the current period of a subscription; all its items share it."""
    item = subscription_items(account, subscription)[0]
    return item["current_period_start"], item["current_period_end"]


def set_period(account: Account, subscription: Obj, start: int, end: int) -> None:
    """Set the period of all items."""
    for item in subscription_items(account, subscription):
        item["current_period_start"], item["current_period_end"] = start, end


def period_end(account: Account, subscription: Obj, start: int) -> int:
    """Return when a period that starts now ends: the next multiple of the interval counted from the anchor."""
    recurring = price_of(account, subscription_items(account, subscription)[0])["recurring"]
    anchor = subscription["billing_cycle_anchor"]
    if anchor > start:
        return int(anchor)
    interval, count = recurring["interval"], recurring["interval_count"]
    step = 1 if start <= anchor else _cycles(anchor, start, interval, count)
    end = add_interval(anchor, interval, count * step)
    while end <= start:
        step += 1
        end = add_interval(anchor, interval, count * step)
    return end


def _cycles(anchor: int, start: int, interval: str, count: int) -> int:
    longest = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY, "year": 366 * DAY}[interval] * count
    return max(1, (start - anchor) // longest)


def line_for(account: Account, subscription: Obj, item: Obj, period: tuple[int, int], amount: int | None = None) -> Obj:
    """Return the invoice line of an item for a period."""
    price = price_of(account, item)
    product = account.find(price["product"], "product")
    name = product["name"] if product else price["product"]
    if price["recurring"]["usage_type"] == "metered":
        from .meters import usage

        quantity = usage(account, price["recurring"]["meter"], subscription["customer"], period)
    else:
        quantity = item["quantity"]
    cost = amount_of(price, quantity) if amount is None else amount
    recurring = price["recurring"]
    every = recurring["interval"] if recurring["interval_count"] == 1 else f"{recurring['interval_count']} {recurring['interval']}s"
    unit = (price["unit_amount"] or 0) if amount is None else amount
    details = {
        "invoice_item": None, "proration": False, "proration_details": {"credited_items": None}, "subscription": subscription["id"],
        "subscription_item": item["id"],
    }  # fmt: skip
    return new_line(
        account, cost, subscription["currency"], period, {"subscription_item_details": details},
        description=f"{quantity} × {name} (at {unit} {price['currency']} / {every})", discounts=list(item["discounts"]),
        metadata=item["metadata"], pricing=pricing_of(price), quantity=quantity, subscription=subscription["id"],
        _tax_rates=list(item["_tax_rates"]),
    )  # fmt: skip


def next_lines(account: Account, subscription: Obj) -> list[Obj]:
    """Return the lines of the invoice at the end of the current period."""
    if subscription["cancel_at_period_end"] or subscription["status"] in ENDED:
        return []
    start, end = period_of(account, subscription)
    return _cycle_lines(account, subscription, (end, period_end(account, subscription, end)), (start, end))


def _cycle_lines(account: Account, subscription: Obj, period: tuple[int, int], previous: tuple[int, int] | None) -> list[Obj]:
    lines = []
    for item in subscription_items(account, subscription):
        is_metered = price_of(account, item)["recurring"]["usage_type"] == "metered"
        if not is_metered:
            lines.append(line_for(account, subscription, item, period))
        elif previous is not None:
            lines.append(line_for(account, subscription, item, previous))
    return lines


def bill(account: Account, subscription: Obj, reason: str, lines: list[Obj], period: tuple[int, int] | None = None) -> Obj:
    """Keep a draft with these lines and the pending items, on the subscription's terms."""
    customer = account.get("customer", subscription["customer"])
    period = period or period_of(account, subscription)
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"], "subscription_proration_date": None}
    invoice = invoices.new_invoice(
        account, customer, subscription["currency"], reason, auto_advance=True,
        collection_method=subscription["collection_method"], default_payment_method=subscription["default_payment_method"],
        parent={"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        period_start=period[0], period_end=period[1], _default_tax_rates=list(subscription["_default_tax_rates"]),
        _days_until_due=subscription["days_until_due"], description=subscription["description"],
        discounts=list(subscription["discounts"]) or ([customer["_discount"]] if customer["_discount"] else []),
    )  # fmt: skip
    items = pending_items(account, customer["id"], subscription["currency"], subscription["id"])
    invoices.keep(account, invoice, lines + take_items(account, invoice["id"], items))
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def charge_now(account: Account, invoice: Obj) -> Obj | None:
    """Finalize and collect an invoice at once and return the error object of a failed payment, or None."""
    invoices.finalize(account, invoice)
    if invoice["status"] != "open" or invoice["collection_method"] == "send_invoice":
        return None
    return collection.attempt(account, invoice, invoices.payment_method(account, invoice))


def watch(account: Account, subscription: Obj) -> None:
    """Arm what comes next: the end of the period, of the trial, or a dated cancellation."""
    _, end = period_of(account, subscription)
    due = end
    if subscription["cancel_at"] is not None:
        due = min(due, subscription["cancel_at"])
    subscription["_due"] = due
    account.at(subscription["customer"], due, lambda: _turn(account, subscription, due))


def watch_trial(account: Account, subscription: Obj) -> None:
    """Arm the warning three days before a trial ends; a trial shorter than that is announced at once."""
    end = subscription["trial_end"]
    customer = subscription["customer"]

    def warn() -> None:
        if subscription["status"] == "trialing" and subscription["trial_end"] == end:
            account.emit("customer.subscription.trial_will_end", subscription)

    if end - 3 * DAY <= account.now(customer):
        warn()
    else:
        account.at(customer, end - 3 * DAY, warn)


def _turn(account: Account, subscription: Obj, due: int) -> None:
    """Do what is due at the end of a period, unless it was rearranged meanwhile."""
    if subscription["_due"] != due or subscription["status"] in ENDED or subscription["status"] in ("incomplete", "paused"):
        return
    if subscription["cancel_at_period_end"] or (subscription["cancel_at"] is not None and subscription["cancel_at"] <= due):
        cancel_now(account, subscription, reason="cancellation_requested")
        return
    if subscription["status"] == "trialing":
        end_trial(account, subscription)
        return
    renew(account, subscription)


def renew(account: Account, subscription: Obj) -> None:
    """Start the next period and bill it: a draft that finalizes an hour later."""
    before = account.before(subscription)
    previous = period_of(account, subscription)
    start = previous[1]
    end = period_end(account, subscription, start)
    set_period(account, subscription, start, end)
    lines = _cycle_lines(account, subscription, (start, end), previous)
    invoice = bill(account, subscription, "subscription_cycle", lines, previous)
    _apply_pause(account, subscription, invoice)
    account.emit("customer.subscription.updated", subscription, before)
    watch(account, subscription)


def _apply_pause(account: Account, subscription: Obj, invoice: Obj) -> None:
    pause = subscription["pause_collection"]
    if pause is None:
        return
    if pause["resumes_at"] is not None and pause["resumes_at"] <= account.now(subscription["customer"]):
        subscription["pause_collection"] = None
        return
    invoice["auto_advance"] = False
    invoice["automatically_finalizes_at"] = None
    if pause["behavior"] != "keep_as_draft":
        invoices.finalize(account, invoice)
        if invoice["status"] == "open":
            (invoices.void if pause["behavior"] == "void" else invoices.mark_uncollectible)(account, invoice)


def end_trial(account: Account, subscription: Obj) -> None:
    """End a trial: bill the first period, or do what the trial settings say when there is no payment method."""
    before = account.before(subscription)
    now = account.now(subscription["customer"])
    draft = {"default_payment_method": None, "default_source": None, "parent": None, "customer": subscription["customer"]}
    own = account.find(subscription["default_payment_method"], "payment_method")
    has_method = own is not None or invoices.payment_method(account, draft) is not None
    behavior_without = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if not has_method and subscription["collection_method"] == "charge_automatically" and behavior_without != "create_invoice":
        subscription["trial_end"] = min(subscription["trial_end"], now)
        if behavior_without == "cancel":
            cancel_now(account, subscription, reason="payment_failed")
            return
        subscription["status"] = "paused"
        account.emit("customer.subscription.updated", subscription, before)
        account.emit("customer.subscription.paused", subscription)
        return
    is_early = subscription["trial_end"] > now
    subscription["trial_end"] = min(subscription["trial_end"], now)
    subscription["billing_cycle_anchor"] = now
    subscription["status"] = "active"
    start_period(account, subscription, now)
    lines = _cycle_lines(account, subscription, period_of(account, subscription), None)
    invoice = bill(account, subscription, "subscription_update" if is_early else "subscription_cycle", lines)
    account.emit("customer.subscription.updated", subscription, before)
    if is_early:
        charge_now(account, invoice)


def start_period(account: Account, subscription: Obj, start: int) -> None:
    """Begin a period now and arm its end."""
    set_period(account, subscription, start, period_end(account, subscription, start))
    watch(account, subscription)


def cancel_now(account: Account, subscription: Obj, reason: str | None) -> None:
    """End a subscription at once. Draft invoices of it stop advancing, as do retries of open ones."""
    now = account.now(subscription["customer"])
    is_incomplete = subscription["status"] == "incomplete"
    subscription["status"] = "incomplete_expired" if is_incomplete else "canceled"
    subscription["canceled_at"] = subscription["canceled_at"] or now
    subscription["ended_at"] = now
    subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": reason} | {
        key: value for key, value in subscription["cancellation_details"].items() if value is not None
    }
    latest = account.find(subscription["latest_invoice"], "invoice")
    if latest is not None and latest["status"] in ("draft", "open"):
        if is_incomplete and latest["status"] == "open":
            invoices.void(account, latest)
        elif latest["auto_advance"]:
            before = account.before(latest)
            latest["auto_advance"] = False
            latest["next_payment_attempt"] = latest["automatically_finalizes_at"] = None
            account.emit("invoice.updated", latest, before)
    account.emit("customer.subscription.updated" if is_incomplete else "customer.subscription.deleted", subscription)


def invoice_settled(account: Account, invoice: Obj) -> None:
    """Let a subscription follow its invoice that was paid or voided: incomplete and past due ones become active."""
    subscription = invoices.subscription_of(account, invoice)
    if subscription is None or subscription["status"] in ENDED:
        return
    before = account.before(subscription)
    is_first = subscription["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create"
    is_latest = subscription["status"] in ("past_due", "unpaid") and subscription["latest_invoice"] == invoice["id"]
    if (is_first and invoice["status"] == "paid") or is_latest:
        subscription["status"] = "active"
        account.emit("customer.subscription.updated", subscription, before)


def invoice_failed(account: Account, subscription: Obj, invoice: Obj) -> None:
    """Let a subscription follow a failed payment: past due, and after the last retry what the terms say."""
    if subscription["status"] not in ("active", "past_due", "trialing") or invoice["billing_reason"] == "subscription_create":
        return
    before = account.before(subscription)
    subscription["status"] = "past_due"
    is_last = invoice["next_payment_attempt"] is None and invoice["attempt_count"] > len(account.terms.dunning_days)
    if is_last and account.terms.dunning_end == "cancel":
        account.emit("customer.subscription.updated", subscription, before)
        cancel_now(account, subscription, reason="payment_failed")
        return
    if is_last and account.terms.dunning_end == "unpaid":
        subscription["status"] = "unpaid"
    account.emit("customer.subscription.updated", subscription, before)


def expire_incomplete(account: Account, subscription: Obj) -> None:
    """Give an incomplete subscription up 23 hours after it started."""

    def expire() -> None:
        if subscription["status"] == "incomplete":
            cancel_now(account, subscription, reason=None)

    account.at(subscription["customer"], account.now(subscription["customer"]) + 23 * HOUR, expire)


def check_declined(method: Obj | None) -> None:
    """Raise card_error if a payment method would be declined (payment_behavior error_if_incomplete)."""
    if method is None:
        raise errors.invalid("This customer has no attached payment source or default payment method.", code="resource_missing")
    card = behavior(method)
    if card.decline is not None:
        raise errors.card_error("Your card was declined.", card.decline[0], card.decline[1])
