"""Changes in the middle of a period: credits for the unused time of what was, charges for the rest of what will be.

Source: https://docs.stripe.com/billing/subscriptions/prorations. Amounts are by the second, rounded half-up each.
"""

from __future__ import annotations

from fractions import Fraction

from . import errors, forms
from . import subscriptions as life
from .arithmetic import percentage
from .calls import Call
from .catalog import amount_of, create_price
from .currencies import half_up, step
from .discounts import coupon_of, create_discounts, is_running
from .forms import Obj
from .items import new_item, pending_items, pricing_of
from .render import subscription_items
from .timeline import add_interval
from .world import Account


def prorate(account: Account, item: Obj, period: tuple[int, int]) -> int:
    """Return the price of an item for a period shorter than its interval, which ends at the period's end."""
    price = life.price_of(account, item)
    return half_up(Fraction(amount_of(price, item["quantity"]) * (period[1] - period[0]), _whole(price, period)), step(price["currency"]))


def _whole(price: Obj, period: tuple[int, int]) -> int:
    """Return the seconds a price is for: its period's, or those of the whole interval that ends with a period an anchor made shorter."""
    recurring = price["recurring"]
    interval, count = recurring["interval"], recurring["interval_count"]
    is_shortened = add_interval(period[0], interval, count) > period[1]
    return period[1] - (add_interval(period[1], interval, -count) if is_shortened else period[0])


class Change:
    """One call's changes to a subscription's items and the prorations that follow."""

    def __init__(self, account: Account, subscription: Obj, call: Call) -> None:
        self.account = account
        self.subscription = subscription
        self.call = call
        self.behavior = call.text("proration_behavior") or "create_prorations"
        if self.behavior not in ("create_prorations", "always_invoice", "none"):
            raise errors.invalid(
                "Invalid proration_behavior: must be one of create_prorations, none, or always_invoice", "proration_behavior"
            )
        self.period = life.period_of(account, subscription)
        self.at = call.integer("proration_date") or account.now(subscription["customer"])
        self.is_prorated = subscription["status"] not in ("trialing", "incomplete", "paused") and self.behavior != "none"
        self.is_reset = call.text("billing_cycle_anchor") == "now"
        self.is_changed = False
        self._charges: list[Obj] = []

    def item(self, given: Obj) -> None:
        """Change, add or delete one item."""
        from .new_items import new_item_of

        account = self.account
        if not given.get("id"):
            item = new_item_of(account, self.subscription, given)
            item["current_period_start"], item["current_period_end"] = self.period
            self.is_changed = True
            self._charges.append(item)
            return
        item = account.get("subscription_item", given["id"], "items[id]")
        if given.get("deleted") not in (None, "") and forms.to_bool(given["deleted"], "items[deleted]"):
            self.delete(item)
            return
        if "metadata" in given:
            item["metadata"] = forms.merge_metadata(item["metadata"], given["metadata"])
        if "tax_rates" in given:
            item["_tax_rates"] = [account.get("tax_rate", rate, "items[tax_rates]")["id"] for rate in forms.as_list(given["tax_rates"])]
        if "discounts" in given:
            item["discounts"] = create_discounts(account, given["discounts"], customer=self.subscription["customer"])
        self._reprice(item, given)

    def _reprice(self, item: Obj, given: Obj) -> None:
        account = self.account
        old = life.price_of(account, item)
        price_id = given.get("price") or given.get("plan")
        new = account.get("price", price_id, "items[price]") if price_id else old
        if given.get("price_data"):
            new = create_price(account, forms.as_dict(given["price_data"], "items[price_data]"))
        quantity = forms.to_int(given["quantity"], "items[quantity]") if given.get("quantity") not in (None, "") else item.get("quantity")
        if new["id"] == old["id"] and quantity == item.get("quantity"):
            return
        self._credit(item)
        if _interval(new) != _interval(old):
            self.is_reset = True
        item["_price"] = new["id"]
        if quantity is not None:
            item["quantity"] = quantity
        self.is_changed = True
        self._charges.append(item)

    def delete(self, item: Obj) -> None:
        """Remove an item, crediting its unused time."""
        if len(subscription_items(self.account, self.subscription)) == 1:
            raise errors.invalid("A subscription must have at least one active plan.")
        self._credit(item)
        self.subscription["_items"].remove(item["id"])
        self.account.remove(item)
        self.is_changed = True

    def credit_rest(self) -> None:
        """Credit the unused time of all items (cancellation with ``prorate``)."""
        for item in subscription_items(self.account, self.subscription):
            self._credit(item)

    def _credit(self, item: Obj) -> None:
        if self.is_prorated:
            self._add(item, -1, "Unused time on")

    def _add(self, item: Obj, sign: int, words: str) -> None:
        """Add a proration for the rest of the period at the item's present price and quantity."""
        account, subscription = self.account, self.subscription
        price = life.price_of(account, item)
        if price["recurring"]["usage_type"] == "metered" or self.at >= self.period[1]:
            return
        whole, rest = _whole(price, self.period), self.period[1] - self.at
        latest = account.find(subscription["latest_invoice"], "invoice")
        share = self._paid_share(item, latest) if sign < 0 else self._discounted_share(item)
        amount = sign * half_up(Fraction(amount_of(price, item["quantity"]) * rest, whole) * share, step(price["currency"]))
        product = account.find(price["product"], "product")
        name = product["name"] if product else price["product"]
        customer = account.get("customer", subscription["customer"])
        credited = None
        if sign < 0 and latest is not None:
            ids = [line["id"] for line in account.lines[latest["id"]] if _item_of(line) == item["id"]]
            credited = {"invoice": latest["id"], "invoice_line_items": ids} if ids else None
        details = {"subscription": subscription["id"], "subscription_item": item["id"]}
        new_item(
            account, customer, amount, subscription["currency"], proration=True, quantity=item["quantity"],
            description=f"{words} {item['quantity']} × {name}", period={"start": self.at, "end": self.period[1]}, discountable=False,
            pricing=pricing_of(price), _tax_rates=list(item["_tax_rates"]), _credited=credited,
            parent={"subscription_details": details, "type": "subscription_details"},
        )  # fmt: skip

    def _discounted_share(self, item: Obj) -> Fraction:
        """Return what percentage discounts leave of a price; prorations hold their discounts and take no others."""
        share = Fraction(1)
        for discount in (*item["discounts"], *self.subscription["discounts"]):
            coupon = coupon_of(self.account, discount)
            if coupon is not None and coupon["percent_off"] is not None and is_running(self.account, discount, self.at):
                share *= 1 - percentage(coupon["percent_off"]) / 100
        return share

    def _paid_share(self, item: Obj, latest: Obj | None) -> Fraction:
        """Return how much of the item's price was billed last, discounts taken off."""
        for line in self.account.lines[latest["id"]] if latest is not None else []:
            if _item_of(line) == item["id"] and line["amount"] > 0 and not line["parent"]["subscription_item_details"]["proration"]:
                return Fraction(line["amount"] - sum(d["amount"] for d in line["discount_amounts"]), line["amount"])
        return self._discounted_share(item)

    def finish(self) -> None:
        """Charge the rest of the period for what changed, or start a new period if the interval or anchor changed."""
        if self.is_reset:
            for item in subscription_items(self.account, self.subscription):
                if item not in self._charges:
                    self._credit(item)
            self._reset()
        elif self.is_prorated:
            for item in self._charges:
                self._add(item, 1, "Remaining time on")

    def _reset(self) -> None:
        now = self.account.now(self.subscription["customer"])
        self.subscription["billing_cycle_anchor"] = now
        life.start_period(self.account, self.subscription, now)

    def bill(self) -> None:
        """Invoice at once where that was asked for or a new period started."""
        account, subscription = self.account, self.subscription
        if self.is_reset:
            period = life.period_of(account, subscription)
            items = [
                i for i in subscription_items(account, subscription) if life.price_of(account, i)["recurring"]["usage_type"] != "metered"
            ]
            lines = [life.line_for(account, subscription, item, period) for item in items]
            life.charge_now(account, life.bill(account, subscription, "subscription_update", lines))
        elif self.behavior == "always_invoice" and self.is_changed:
            self._bill_pending()

    def _bill_pending(self) -> None:
        account, subscription = self.account, self.subscription
        if pending_items(account, subscription["customer"], subscription["currency"], subscription["id"]):
            life.charge_now(account, life.bill(account, subscription, "subscription_update", []))

    def bill_rest(self) -> None:
        """Invoice what is pending for a canceled subscription (``invoice_now``)."""
        self._bill_pending()


def _interval(price: Obj) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def _item_of(line: Obj) -> str | None:
    details = line["parent"].get("subscription_item_details")
    return details["subscription_item"] if details else None
