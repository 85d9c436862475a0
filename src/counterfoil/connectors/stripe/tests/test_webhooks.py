"""The door: what is taken, what is refused and how, and what intake learns of a delivery."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.kit.errors import IntakeRefused

from .building import ACCOUNT, CREATED_AT, SECRET, SOURCE, event_body, fixture, settings, sign, thin_body

NOW = CREATED_AT + timedelta(seconds=5)
CHARGE = {"id": "ch_1", "object": "charge", "customer": "cus_1"}


def refusal(body: bytes, headers: dict[str, str], now: datetime = NOW, **changes: Any) -> IntakeRefused:
    with pytest.raises(IntakeRefused) as caught:
        SOURCE.verify(settings(**changes), headers, body, now)
    return caught.value


@pytest.mark.parametrize("vector", fixture("webhook-signatures.json")["vectors"], ids=lambda v: v["scheme"][:20])
def test_the_published_vectors_are_taken(vector: dict[str, Any]) -> None:
    now = datetime.fromtimestamp(vector["timestamp"], UTC)
    (taken,) = SOURCE.verify(settings(webhook_secrets=[vector["secret"]]), vector["headers"], vector["body"].encode(), now)
    assert (taken.dedupe_key, taken.kind, taken.shard_key) == ("acct_1/evt_test_0001", "invoice.paid", "in_test_0001")
    assert taken.body == vector["body"].encode()


def test_header_names_are_compared_without_case() -> None:
    body = event_body("charge.succeeded", CHARGE)
    header = sign(body, NOW)["Stripe-Signature"]
    for name in ("stripe-signature", "STRIPE-SIGNATURE"):
        assert len(SOURCE.verify(settings(), {name: header}, body, NOW)) == 1


def test_either_of_two_secrets_is_taken_during_rotation() -> None:
    body = event_body("charge.succeeded", CHARGE)
    both = ["whsec_new", SECRET]
    for secret in both:
        assert SOURCE.verify(settings(webhook_secrets=both), sign(body, NOW, secret), body, NOW)
    assert refusal(body, sign(body, NOW, "whsec_other"), webhook_secrets=both).status == 401


def test_a_forged_body_is_refused_with_401() -> None:
    body = event_body("charge.succeeded", CHARGE)
    refused = refusal(body.replace(b"cus_1", b"cus_2"), sign(body, NOW))
    assert (refused.code, refused.status) == ("stripe.signature_mismatch", 401)


def test_a_delivery_older_than_the_tolerance_is_refused_with_400() -> None:
    body = event_body("charge.succeeded", CHARGE)
    headers = sign(body, NOW)
    assert SOURCE.verify(settings(), headers, body, NOW + timedelta(seconds=300))
    refused = refusal(body, headers, NOW + timedelta(seconds=301))
    assert (refused.code, refused.status) == ("stripe.signature_stale", 400)
    assert refusal(body, headers, NOW - timedelta(seconds=301)).code == "stripe.signature_stale"


@pytest.mark.parametrize("column", ["id", "name"])
def test_a_signed_body_with_half_of_a_surrogate_pair_is_no_event_and_refused_with_400(column: str) -> None:
    body = event_body("customer.updated", {"id": "cus_1", "object": "customer", column: "x\ud800y"})
    refused = refusal(body, sign(body, NOW))
    assert (refused.code, refused.status) == ("stripe.body_invalid", 400)


@pytest.mark.parametrize(
    "header", ["", "t=1", "v1=aa", "t=x,v1=aa", "t=,v1=", "t=1790000005,v0=aa", "t=9999999999999,v1=aa", "t=\u0661,v1=a", ",,,"]
)
def test_an_unreadable_signature_is_refused_with_400(header: str) -> None:
    body = event_body("charge.succeeded", CHARGE)
    refused = refusal(body, {"Stripe-Signature": header})
    assert (refused.code, refused.status) == ("stripe.signature_missing", 400)


def test_an_unsigned_body_is_refused_with_400() -> None:
    assert refusal(event_body("charge.succeeded", CHARGE), {}).status == 400
    assert refusal(b"", {}).status == 400


def test_a_genuine_body_that_is_no_event_is_refused_with_400() -> None:
    whole = event_body("charge.succeeded", CHARGE)
    for body in (whole[:-7], b"not json", b"\xff\xfe", b"[]", b"{}", b'{"id":1}', b'{"id":"evt_1","type":"x","created":99999999999999999}'):
        refused = refusal(body, sign(body, NOW))
        assert (refused.code, refused.status) == ("stripe.body_invalid", 400), body


@pytest.mark.parametrize("event_id", ["", "  "])
def test_an_event_without_an_id_is_refused_with_400(event_id: str) -> None:
    body = event_body("charge.succeeded", CHARGE, event_id=event_id)
    refused = refusal(body, sign(body, NOW))
    assert (refused.code, refused.status, str(refused)) == ("stripe.body_invalid", 400, "the event has no id")


def test_a_body_over_the_limit_is_refused_with_413_before_anything_else() -> None:
    refused = refusal(b"x" * 2_000, {}, body_size_max=1_999)
    assert (refused.code, refused.status) == ("stripe.body_too_large", 413)


def test_a_signed_empty_body_is_taken_and_makes_no_delivery() -> None:
    assert SOURCE.verify(settings(), sign(b"", NOW), b"", NOW) == ()


def test_an_event_of_a_known_connected_account_belongs_to_it() -> None:
    body = event_body("charge.succeeded", CHARGE, account="acct_2")
    (taken,) = SOURCE.verify(settings(accounts=["acct_2"]), sign(body, NOW), body, NOW)
    assert (taken.account, taken.dedupe_key, taken.parked) == ("acct_2", "acct_2/evt_1", "")


def test_an_event_of_an_unknown_account_is_parked_with_its_reason() -> None:
    body = event_body("charge.succeeded", CHARGE, account="acct_9")
    (taken,) = SOURCE.verify(settings(), sign(body, NOW), body, NOW)
    assert taken.parked.startswith("unknown account acct_9")


def test_an_event_of_the_other_mode_is_parked_with_its_reason() -> None:
    body = event_body("charge.succeeded", CHARGE, livemode=True)
    (taken,) = SOURCE.verify(settings(), sign(body, NOW), body, NOW)
    assert taken.parked.startswith("live mode event on a test mode connection")
    (taken,) = SOURCE.verify(settings(api_key="rk_live_1"), sign(body, NOW), body, NOW)
    assert taken.parked == ""


def test_objects_of_one_customer_share_a_shard() -> None:
    bodies = [
        event_body("customer.updated", {"id": "cus_1", "object": "customer"}),
        event_body("charge.succeeded", CHARGE),
        event_body("invoice.paid", {"id": "in_1", "object": "invoice", "customer": {"id": "cus_1", "object": "customer"}}),
    ]
    shards = [SOURCE.verify(settings(), sign(body, NOW), body, NOW)[0].shard_key for body in bodies]
    assert shards == ["cus_1", "cus_1", "cus_1"]


def test_a_thin_event_is_fetched_by_its_related_object() -> None:
    body = thin_body("v1.invoice.finalized", "in_1", "invoice")
    (taken,) = SOURCE.verify(settings(), sign(body, NOW), body, NOW)
    assert (taken.kind, taken.shard_key, taken.occurred_at, taken.account) == ("v1.invoice.finalized", "in_1", CREATED_AT, ACCOUNT)
    assert SOURCE.needs(taken) == ("acct_1/invoice/in_1",)


def test_a_thin_event_of_an_account_context_belongs_to_it() -> None:
    body = json.dumps({**json.loads(thin_body("v1.charge.failed", "ch_1", "charge")), "context": "acct_2"}).encode()
    (taken,) = SOURCE.verify(settings(accounts=["acct_2"]), sign(body, NOW), body, NOW)
    assert taken.account == "acct_2"
