"""Payment methods and Stripe's test cards: which token behaves how.

Sources: https://docs.stripe.com/testing, https://docs.stripe.com/api/payment_methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import errors, forms, lists
from .calls import Call, Page, route
from .errors import StripeError
from .forms import Obj
from .world import Account


@dataclass(frozen=True, slots=True)
class TestCard:
    """A test payment method. ``decline`` is (code, decline_code); ``when``: always, or charge (attaching works, charging fails)."""

    brand: str = "visa"
    last4: str = "4242"
    country: str = "US"
    funding: str = "credit"
    decline: tuple[str, str] | None = None
    when: str = "always"
    dispute: str = ""  # fraudulent, product_not_received or inquiry: opened when the charge succeeds
    is_available_at_once: bool = False
    needs_action: bool = False
    refund: str = ""  # fails or pending
    kind: str = "card"


_DECLINES = {
    "chargeDeclined": ("0002", ("card_declined", "generic_decline")),
    "chargeDeclinedInsufficientFunds": ("9995", ("card_declined", "insufficient_funds")),
    "chargeDeclinedLostCard": ("9987", ("card_declined", "lost_card")),
    "chargeDeclinedStolenCard": ("9979", ("card_declined", "stolen_card")),
    "chargeDeclinedFraudulent": ("0019", ("card_declined", "fraudulent")),
    "chargeDeclinedExpiredCard": ("0069", ("expired_card", "expired_card")),
    "chargeDeclinedIncorrectCvc": ("0127", ("incorrect_cvc", "incorrect_cvc")),
    "chargeDeclinedProcessingError": ("0119", ("processing_error", "processing_error")),
}
TEST_CARDS: dict[str, TestCard] = {
    "visa": TestCard(),
    "visa_debit": TestCard(last4="5556", funding="debit"),
    "mastercard": TestCard(brand="mastercard", last4="4444"),
    "mastercard_debit": TestCard(brand="mastercard", last4="8210", funding="debit"),
    "amex": TestCard(brand="amex", last4="8431"),
    "discover": TestCard(brand="discover", last4="1117"),
    "jcb": TestCard(brand="jcb", last4="0505", country="JP"),
    "unionpay": TestCard(brand="unionpay", last4="0005", country="CN"),
    "de": TestCard(last4="0016", country="DE"),
    "gb": TestCard(last4="1007", country="GB"),
    "jp": TestCard(last4="0003", country="JP"),
    "us": TestCard(),
    "chargeCustomerFail": TestCard(last4="0341", decline=("card_declined", "generic_decline"), when="charge"),
    "createDispute": TestCard(last4="0259", dispute="fraudulent"),
    "createDisputeProductNotReceived": TestCard(last4="2685", dispute="product_not_received"),
    "createDisputeInquiry": TestCard(last4="1976", dispute="inquiry"),
    "bypassPending": TestCard(last4="0077", is_available_at_once=True),
    "authenticationRequired": TestCard(last4="3155", needs_action=True),
    "threeDSecure2Required": TestCard(last4="3220", needs_action=True),
    "threeDSecureRequired": TestCard(last4="3063", needs_action=True),
    "refundFail": TestCard(last4="5126", refund="fails"),
    "pendingRefund": TestCard(last4="7726", refund="pending"),
} | {name: TestCard(last4=last4, decline=decline) for name, (last4, decline) in _DECLINES.items()}
_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
_NUMBERS = {
    f"{prefix}{card.last4}": name for name, card in TEST_CARDS.items() for prefix in ("400000000000", "424242424242", "555555555555")
}


def decline_message(decline_code: str) -> str:
    """Return what the customer is told."""
    return _MESSAGES.get(decline_code, "Your card was declined.")


def test_name(token: str) -> str | None:
    """Return the test card a token or test payment method names (``pm_card_visa``, ``tok_chargeDeclined``), or None."""
    for prefix in ("pm_card_visa_", "pm_card_", "tok_visa_", "tok_"):
        name = token.removeprefix(prefix)
        if name != token and name in TEST_CARDS:
            return name
    return None


def behavior(method: Obj) -> TestCard:
    """Return how a payment method behaves."""
    return TEST_CARDS.get(method["_test"], TEST_CARDS["visa"])


def create_method(account: Account, name: str, kind: str = "card", given: Obj | None = None, method_id: str = "") -> Obj:
    """Create a payment method that behaves like a test card."""
    given = given or {}
    card = TEST_CARDS[name]
    details = forms.as_dict(given.get("billing_details"), "billing_details")
    method: Obj = {
        "id": method_id or account.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": forms.to_address(details.get("address"))
            or dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": forms.to_text(details.get("email")),
            "name": forms.to_text(details.get("name")),
            "phone": forms.to_text(details.get("phone")),
            "tax_id": None,
        },
        "created": account.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": forms.merge_metadata({}, given.get("metadata")),
        "type": kind,
        "_test": name,
    }
    if kind == "card":
        method["card"] = _card(account, card)
    elif kind == "sepa_debit":
        iban = str(forms.as_dict(given.get("sepa_debit"), "sepa_debit").get("iban") or "DE89370400440532013000")
        method["sepa_debit"] = {
            "bank_code": iban[4:12], "branch_code": "", "country": iban[:2], "fingerprint": account.world.ids.letters(16),
            "generated_from": {"charge": None, "setup_attempt": None}, "last4": iban[-4:],
        }  # fmt: skip
    else:
        method[kind] = {}
    return account.add(method)


def _card(account: Account, card: TestCard) -> Obj:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": account.world.ids.letters(16),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def find_method(account: Account, given: str, param: str = "payment_method") -> Obj:
    """Return a payment method by id; a test name (``pm_card_visa``) gives a fresh one. Raises resource_missing."""
    found = account.find(given, "payment_method")
    if found is not None:
        return found
    name = test_name(given)
    if name is None:
        raise errors.missing("payment_method", given, param)
    return create_method(account, name)


def own_method(account: Account, given: str, customer: Obj, param: str) -> Obj:
    """Return a customer's payment method by id, or by test name if one like it is attached already; attaches a test name otherwise."""
    name = test_name(given) if account.find(given, "payment_method") is None else None
    if name is not None:
        for method in account.of_customer("payment_method", customer["id"]):
            if method["_test"] == name:
                return method
        return attach(account, given, customer)
    found = find_method(account, given, param)
    if found["customer"] != customer["id"]:
        raise errors.invalid(
            "The customer does not have a payment method with the ID " + given + ". The payment method must be attached to the customer.",
            param,
        )
    return found


def attach(account: Account, given: str, customer: Obj) -> Obj:
    """Attach a payment method to a customer. Raises card_error for cards that are always declined."""
    method = find_method(account, given)
    if method["customer"] not in (None, customer["id"]):
        raise errors.invalid("The payment method you provided has already been attached to a customer.", "payment_method")
    card = behavior(method)
    if card.decline and card.when == "always":
        code, decline_code = card.decline
        raise errors.card_error(decline_message(decline_code), code, decline_code)
    before = account.before(method)
    method["customer"] = customer["id"]
    account.index(method)
    account.emit("payment_method.attached", method, before)
    return method


def attach_source(account: Account, token: str, customer: Obj) -> Obj:
    """Attach a token as a card of the old kind and make it the customer's default source."""
    name = test_name(token)
    if name is None:
        raise errors.missing("token", token, "source")
    method = create_method(account, name, method_id=account.new_id("card"))
    method["customer"] = customer["id"]
    account.index(method)
    card = method["card"]
    method["_card"] = {
        "id": method["id"], "object": "card", "address_city": None, "address_country": None, "address_line1": None,
        "address_line1_check": None, "address_line2": None, "address_state": None, "address_zip": None, "address_zip_check": None,
        "brand": card["brand"].capitalize(), "country": card["country"], "customer": customer["id"], "cvc_check": "pass",
        "dynamic_last4": None, "exp_month": card["exp_month"], "exp_year": card["exp_year"], "fingerprint": card["fingerprint"],
        "funding": card["funding"], "last4": card["last4"], "metadata": {}, "name": None, "tokenization_method": None,
    }  # fmt: skip
    customer["default_source"] = customer["default_source"] or method["id"]
    account.emit("customer.source.created", method["_card"])
    created: Obj = method["_card"]
    return created


@route("POST", "/v1/customers/{id}/sources")
def _create_source(call: Call) -> Obj:
    return attach_source(call.account, call.need("source"), call.account.living("customer", call.args[0]))


@route("POST", "/v1/customers/{id}/sources/{source}")
def _update_source(call: Call) -> Obj:
    card: Obj = call.account.get("payment_method", call.args[1])["_card"]
    before = call.account.before(card)
    card["metadata"] = call.metadata(card["metadata"])
    call.account.emit("customer.source.updated", card, before)
    return card


@route("POST", "/v1/payment_methods")
def _create(call: Call) -> Obj:
    kind = call.text("type") or "card"
    if kind != "card":
        return create_method(call.account, "visa", kind, call.params)
    card = call.object("card")
    token, number = forms.to_text(card.get("token")), forms.to_text(card.get("number"))
    name = test_name(token) if token else _NUMBERS.get(number or "")
    if name is None:
        if token is None and number is None:
            raise errors.required("card")
        raise StripeError(
            "Your card was declined. Your request used a real card while testing, or an unknown token.",
            status=402, kind="card_error", code="card_declined", decline_code="test_mode_live_card",
        )  # fmt: skip
    return create_method(call.account, name, "card", call.params)


@route("POST", "/v1/payment_methods/{id}/attach")
def _attach(call: Call) -> Obj:
    return attach(call.account, call.args[0], call.account.living("customer", call.need("customer"), "customer"))


@route("POST", "/v1/payment_methods/{id}/detach")
def _detach(call: Call) -> Obj:
    account = call.account
    method = account.get("payment_method", call.args[0])
    if method["customer"] is None:
        raise errors.invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    before = account.before(method)
    customer = account.find(method["customer"], "customer")
    if customer is not None and not customer.get("deleted") and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
    account.unindex(method)
    method["customer"] = None
    account.emit("payment_method.detached", method, before)
    return method


@route("POST", "/v1/payment_methods/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    method = account.get("payment_method", call.args[0])
    before = account.before(method)
    method["metadata"] = call.metadata(method["metadata"])
    account.emit("payment_method.updated", method, before)
    return method


@route("GET", "/v1/payment_methods/{id}")
def _retrieve(call: Call) -> Obj:
    return find_method(call.account, call.args[0])


@route("GET", "/v1/payment_methods")
def _list(call: Call) -> Page:
    return lists.page(call, _living(call.account), equal=("customer", "type"))


@route("GET", "/v1/customers/{id}/payment_methods")
def _list_of_customer(call: Call) -> Page:
    customer = call.account.get("customer", call.args[0])
    return lists.page(call, reversed(call.account.of_customer("payment_method", customer["id"])), equal=("type",))


@route("GET", "/v1/customers/{id}/payment_methods/{method}")
def _retrieve_of_customer(call: Call) -> Obj:
    return call.account.get("payment_method", call.args[1])


def _living(account: Account) -> Any:
    return account.table("payment_method").newest_first()
