"""Payments: every charge is one payment, whichever event leads to it, and every movement on the balance a settlement."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import FAILURE_PREFIX, canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.billing import InvoicePayment
from counterfoil.connectors.stripe.wire.money import BalanceTransaction, Charge, IntentCharges, Movement, PaymentIntent
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.payment import Application, Payment, PaymentEvent, PaymentState
from counterfoil.core.kinds.refund import Refund, RefundEvent, RefundState
from counterfoil.core.language.settlement import Settlement
from counterfoil.kit.connector import Ignored, Normalized
from counterfoil.kit.errors import RejectedError

from .amounts import finite, instant, money, optional_instant, rejected
from .concerned import of_charge
from .reading import DeliveryNotice, FetchedNotice, ObjectState, decode, gone, look_up

_CHARGE = msgspec.json.Decoder(Charge)
_CHARGES = msgspec.json.Decoder(IntentCharges)
_INTENT = msgspec.json.Decoder(PaymentIntent)

STATES = {"succeeded": PaymentState.SUCCEEDED, "pending": PaymentState.PENDING, "failed": PaymentState.FAILED}
"""https://docs.stripe.com/api/charges/object#charge_object-status; a succeeded charge that is not captured is an authorization."""

TYPES = {
    PaymentState.AUTHORIZED: PaymentEvent.AUTHORIZED,
    PaymentState.PENDING: PaymentEvent.PENDING,
    PaymentState.SUCCEEDED: PaymentEvent.SUCCEEDED,
    PaymentState.FAILED: PaymentEvent.FAILED,
    PaymentState.CANCELED: PaymentEvent.FAILED,
}


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A charge is always fetched."""
    return (notice.ref("charge", notice.object_id),)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the payment of one charge."""
    state = fetched.own("charge")
    if state.is_gone:
        raise gone("charge", fetched.notice.object_id)
    return facts_of(fetched, decode(_CHARGE, state.body), state, is_main=True)


def intent_needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A payment intent leads to its charge (and its invoice, which it names before basil); none when nothing was tried yet."""
    if not notice.snapshot:
        return (notice.ref("payment_intent", notice.object_id),)
    seen = decode(_INTENT, notice.snapshot)
    refs = [notice.ref("charge", charge) for charge in _charges_of(seen)]
    invoice = id_of(seen.invoice)
    return (*refs, notice.ref("invoice", invoice)) if refs and invoice else tuple(refs)


def intent_facts(fetched: FetchedNotice) -> Normalized:
    """Return the payments of an intent's charges; the invoice, where one was fetched, has events of its own."""
    found = list(charges_together(fetched, "payment_intent", fetched.notice.object_id))
    if fetched.notice.snapshot:
        for charge in _charges_of(decode(_INTENT, fetched.notice.snapshot)):
            found += one_charge(fetched, charge)
    return tuple(found) if found else Ignored("payment_intent_without_charge")


def one_charge(fetched: FetchedNotice, charge_id: str) -> tuple[Fact, ...]:
    """Return the payment of another object's charge; none if it was not fetched."""
    state = fetched.other("charge", charge_id)
    return () if state is None else facts_of(fetched, decode(_CHARGE, state.body), state, is_main=False)


def charges_together(fetched: FetchedNotice, kind: str, object_id: str) -> tuple[Fact, ...]:
    """Return the payments that fetching put together for a payment intent or an invoice; none if it was not fetched."""
    state = fetched.other(kind, object_id)
    if state is None:
        return ()
    charges = decode(_CHARGES, state.body).data
    return tuple(fact for charge in charges for fact in facts_of(fetched, charge, state, is_main=False))


def facts_of(fetched: FetchedNotice, charge: Charge, state: ObjectState, *, is_main: bool) -> tuple[Fact, ...]:
    """Return one charge's payment, and the return of the money where it failed after it had moved."""
    try:
        payment = payment_of(charge)
        returned = failure_of(charge, payment)
    except RejectedError as error:
        of_charge(error, charge.id, charge.amount, charge.currency)
        raise
    correlation = payment.applications[0].invoice_id if payment.applications else payment.id
    tell = fetched.fact if is_main else fetched.side_fact
    found = [tell(TYPES[payment.state], payment, state, payment.occurred_at, correlation)]
    if returned is not None:
        found.append(fetched.side_fact(RefundEvent.SUCCEEDED, returned, state, returned.occurred_at, correlation))
    return tuple(found)


def payment_of(charge: Charge) -> Payment:
    """Return the canonical payment: what was captured of the charge, with the invoices it pays."""
    state = _state(charge)
    taken = charge.amount_captured if state is PaymentState.SUCCEEDED and charge.amount_captured is not None else charge.amount
    return Payment(
        id=canonical(charge.id),
        customer_id=canonical(id_of(charge.customer)),
        state=state,
        amount=money(taken, charge.currency),
        occurred_at=instant(charge.created),
        applications=_applications(charge, taken) if state is PaymentState.SUCCEEDED else (),
        settlement=settlement_of(charge.balance_transaction),
        failure_code=charge.failure_code or "",
        method=(charge.payment_method_details.type or "") if charge.payment_method_details is not None else "",
    )


def failure_of(charge: Charge, payment: Payment) -> Refund | None:
    """Return money that left the balance again because a charge failed after it had been credited (bank debits), as a refund.

    So the payment, which did move money, and its return both stay on the books. None as long as nothing came back.
    Source: https://docs.stripe.com/api/charges/object#charge_object-failure_balance_transaction
    """
    back = settlement_of(charge.failure_balance_transaction)
    if back is None:
        return None
    return Refund(
        id=canonical(FAILURE_PREFIX + charge.id),
        payment_id=payment.id,
        state=RefundState.SUCCEEDED,
        amount=payment.amount,
        occurred_at=back.occurred_at,
        customer_id=payment.customer_id,
        settlement=back,
        reason="payment_failed",
    )


def settlement_of(movement: Movement) -> Settlement | None:
    """Return what a balance transaction did; None if there is none, or only its id is known.

    Raises RejectedError unless amount - fee = net.
    """
    return settled(movement) if isinstance(movement, BalanceTransaction) else None


def settled(movement: BalanceTransaction) -> Settlement:
    """Return the settlement of a whole balance transaction. Raises RejectedError unless amount - fee = net."""
    if movement.amount - movement.fee != movement.net:
        raise rejected(f"balance transaction {movement.id}: amount less fee is not net", "balance_transaction_unbalanced")
    taxes, withheld = ([detail.amount for detail in movement.fee_details if detail.type == kind] for kind in ("tax", "withheld_tax"))
    return Settlement(
        id=canonical(movement.id),
        gross=money(movement.amount, movement.currency),
        fee=money(movement.fee, movement.currency),
        net=money(movement.net, movement.currency),
        occurred_at=instant(movement.created),
        available_at=optional_instant(movement.available_on),
        exchange_rate=finite(movement.exchange_rate) if movement.exchange_rate is not None else None,
        fee_tax=money(sum(taxes), movement.currency) if taxes else None,
        type=movement.type,
        withheld_tax=money(sum(withheld), movement.currency) if withheld else None,
    )


def _state(charge: Charge) -> PaymentState:
    state = look_up(STATES, charge.status, "charge.status")
    if isinstance(charge.failure_balance_transaction, BalanceTransaction) and isinstance(charge.balance_transaction, BalanceTransaction):
        return PaymentState.SUCCEEDED  # it moved money, and its return is told as a refund
    if state is PaymentState.SUCCEEDED and not charge.captured:
        return PaymentState.CANCELED if charge.refunded else PaymentState.AUTHORIZED
    return state


def _applications(charge: Charge, taken: int) -> tuple[Application, ...]:
    payments = charge.counterfoil.invoice_payments
    if payments is not None:
        return tuple(_application(p) for p in payments if p.status == "paid" and p.amount_paid and id_of(p.invoice))
    invoice = id_of(charge.invoice)
    return (Application(canonical(invoice), money(taken, charge.currency)),) if invoice else ()


def _application(payment: InvoicePayment) -> Application:
    return Application(canonical(id_of(payment.invoice)), money(payment.amount_paid or 0, payment.currency), canonical(payment.id))


def _charges_of(intent: PaymentIntent) -> tuple[str, ...]:
    latest = id_of(intent.latest_charge)
    if latest:
        return (latest,)
    return tuple(charge.id for charge in intent.charges.data) if intent.charges is not None else ()
