"""Every event type of Stripe, by its exact name: the object whose module maps it, or the named rule by which it is ignored.

A name in none of the tables is schema drift. Source: the type list of API version 2026-10-28.endive,
https://docs.stripe.com/api/events/types and, for thin events, https://docs.stripe.com/api/v2/core/events/event-types
"""

from __future__ import annotations

from collections.abc import Mapping


def _by_name(names_of: Mapping[str, str]) -> dict[str, str]:
    """Return name -> group for groups written as space-separated names. Raises ValueError for a name in two groups."""
    found: dict[str, str] = {}
    for group, names in names_of.items():
        for name in names.split():
            if name in found:
                raise ValueError(f"{name} is in two groups: {found[name]} and {group}")
            found[name] = group
    return found


HANDLED: dict[str, str] = _by_name(
    {
        "customer": "customer.created customer.deleted customer.updated",
        "tax_id": "customer.tax_id.created customer.tax_id.deleted customer.tax_id.updated",
        "product": "product.created product.deleted product.updated",
        "price": "price.created price.deleted price.updated",
        "tax_rate": "tax_rate.created tax_rate.updated",
        "subscription": (
            "customer.subscription.created customer.subscription.deleted customer.subscription.paused "
            "customer.subscription.pending_update_applied customer.subscription.pending_update_expired "
            "customer.subscription.resumed customer.subscription.updated"
        ),
        "invoice": (
            "invoice.created invoice.deleted invoice.finalization_failed invoice.finalized invoice.marked_uncollectible "
            "invoice.overdue invoice.overpaid invoice.paid invoice.payment_action_required invoice.payment_attempt_required "
            "invoice.payment_failed invoice.payment_succeeded invoice.sent invoice.updated invoice.voided "
            "invoice.will_be_due"
        ),
        "invoice_payment": "invoice_payment.paid",
        "credit_note": "credit_note.created credit_note.updated credit_note.voided",
        "charge": ("charge.captured charge.expired charge.failed charge.pending charge.refunded charge.succeeded charge.updated"),
        "refund": "charge.refund.updated refund.created refund.failed refund.updated",
        "dispute": (
            "charge.dispute.closed charge.dispute.created charge.dispute.funds_reinstated charge.dispute.funds_withdrawn "
            "charge.dispute.updated"
        ),
        "payment_intent": (
            "payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.partially_funded "
            "payment_intent.payment_failed payment_intent.processing payment_intent.succeeded"
        ),
        "payout": ("payout.canceled payout.created payout.failed payout.paid payout.reconciliation_completed payout.updated"),
    }
)
"""Snapshot event type -> the object whose module maps it."""

IGNORED: dict[str, str] = _by_name(
    {
        "preview_of_invoice": "invoice.upcoming",
        "announcement_without_change": "customer.subscription.trial_will_end",
        "payment_not_attempted": "payment_intent.created payment_intent.requires_action",
        "told_by_price": "plan.created plan.deleted plan.updated",
        "told_by_invoice": (
            "coupon.created coupon.deleted coupon.updated customer.discount.created customer.discount.deleted "
            "customer.discount.updated invoiceitem.created invoiceitem.deleted promotion_code.created "
            "promotion_code.updated"
        ),
        "told_by_subscription": (
            "subscription_schedule.aborted subscription_schedule.canceled subscription_schedule.completed "
            "subscription_schedule.created subscription_schedule.expiring subscription_schedule.released "
            "subscription_schedule.updated"
        ),
        "told_by_charge": (
            "checkout.session.async_payment_failed checkout.session.async_payment_succeeded checkout.session.completed "
            "checkout.session.expired radar.early_fraud_warning.created radar.early_fraud_warning.updated review.closed "
            "review.opened source.canceled source.chargeable source.failed source.mandate_notification "
            "source.refund_attributes_required source.transaction.created source.transaction.updated"
        ),
        "told_by_balance_transaction": (
            "application_fee.created application_fee.refund.updated application_fee.refunded climate.order.canceled "
            "climate.order.created climate.order.delayed climate.order.delivered climate.order.product_substituted "
            "climate.product.created climate.product.pricing_updated issuing_dispute.closed issuing_dispute.created "
            "issuing_dispute.funds_reinstated issuing_dispute.funds_rescinded issuing_dispute.submitted "
            "issuing_dispute.updated issuing_transaction.created issuing_transaction.purchase_details_receipt_updated "
            "issuing_transaction.updated reserve.hold.created reserve.hold.updated reserve.plan.created "
            "reserve.plan.disabled reserve.plan.expired reserve.plan.updated reserve.release.created topup.canceled "
            "topup.created topup.failed topup.reversed topup.succeeded transfer.created transfer.reversed transfer.updated "
            "treasury.credit_reversal.created treasury.credit_reversal.posted treasury.debit_reversal.completed "
            "treasury.debit_reversal.created treasury.debit_reversal.initial_credit_granted "
            "treasury.financial_account.closed treasury.financial_account.created "
            "treasury.financial_account.features_status_updated treasury.inbound_transfer.canceled "
            "treasury.inbound_transfer.created treasury.inbound_transfer.failed treasury.inbound_transfer.succeeded "
            "treasury.outbound_payment.canceled treasury.outbound_payment.created "
            "treasury.outbound_payment.expected_arrival_date_updated treasury.outbound_payment.failed "
            "treasury.outbound_payment.posted treasury.outbound_payment.returned "
            "treasury.outbound_payment.tracking_details_updated treasury.outbound_transfer.canceled "
            "treasury.outbound_transfer.created treasury.outbound_transfer.expected_arrival_date_updated "
            "treasury.outbound_transfer.failed treasury.outbound_transfer.posted treasury.outbound_transfer.returned "
            "treasury.outbound_transfer.tracking_details_updated treasury.received_credit.created "
            "treasury.received_credit.failed treasury.received_credit.succeeded treasury.received_debit.created"
        ),
        "card_issuing_not_booked": (
            "issuing_authorization.created issuing_authorization.request issuing_authorization.updated issuing_card.created "
            "issuing_card.updated issuing_cardholder.created issuing_cardholder.updated "
            "issuing_personalization_design.activated issuing_personalization_design.deactivated "
            "issuing_personalization_design.rejected issuing_personalization_design.updated issuing_token.created "
            "issuing_token.updated"
        ),
        "balance_is_polled": "balance.available cash_balance.funds_available customer_cash_balance_transaction.created",
        "payment_method_not_kept": (
            "customer.source.created customer.source.deleted customer.source.expiring customer.source.updated "
            "mandate.updated payment_method.attached payment_method.automatically_updated payment_method.detached "
            "payment_method.updated setup_intent.canceled setup_intent.created setup_intent.requires_action "
            "setup_intent.setup_failed setup_intent.succeeded three_d_secure.authentication.canceled "
            "three_d_secure.authentication.challenge_started three_d_secure.authentication.errored "
            "three_d_secure.authentication.failed three_d_secure.authentication.requires_challenge "
            "three_d_secure.authentication.requires_submission three_d_secure.authentication.succeeded"
        ),
        "account_administration": (
            "account.application.authorized account.application.deauthorized account.external_account.created "
            "account.external_account.deleted account.external_account.updated account.updated apps.install.created "
            "apps.install.deleted apps.install.updated balance_settings.updated billing_portal.configuration.created "
            "billing_portal.configuration.updated billing_portal.session.created capability.updated file.created "
            "financial_connections.account.account_numbers_updated financial_connections.account.created "
            "financial_connections.account.deactivated financial_connections.account.disconnected "
            "financial_connections.account.expected_deactivation_date_updated financial_connections.account.reactivated "
            "financial_connections.account.refreshed_balance financial_connections.account.refreshed_ownership "
            "financial_connections.account.refreshed_transactions "
            "financial_connections.account.supported_payment_method_types_updated "
            "financial_connections.account.upcoming_account_number_expiry "
            "financial_connections.account.upcoming_deactivation "
            "financial_connections.authorization.expected_deactivation_date_updated "
            "financial_connections.authorization.upcoming_deactivation identity.verification_session.canceled "
            "identity.verification_session.created identity.verification_session.processing "
            "identity.verification_session.redacted identity.verification_session.requires_input "
            "identity.verification_session.verified payment_link.created payment_link.updated person.created person.deleted "
            "person.updated tax.settings.updated terminal.reader.action_failed terminal.reader.action_succeeded "
            "terminal.reader.action_updated test_helpers.test_clock.advancing test_helpers.test_clock.created "
            "test_helpers.test_clock.deleted test_helpers.test_clock.internal_failure test_helpers.test_clock.ready"
        ),
        "quote_told_by_its_invoice": "quote.accepted quote.canceled quote.created quote.finalized",
        "usage_not_booked": (
            "billing.alert.triggered billing.credit_balance_transaction.created billing.credit_grant.created "
            "billing.credit_grant.updated billing.meter.created billing.meter.deactivated billing.meter.reactivated "
            "billing.meter.updated"
        ),
        "entitlements_follow_subscriptions": "entitlements.active_entitlement_summary.updated",
        "report_of_known_facts": (
            "reporting.report_run.failed reporting.report_run.succeeded reporting.report_type.updated sigma.scheduled_query_run.created"
        ),
    }
)
"""Snapshot event type -> the named rule by which it has no counterpart."""

THIN_HANDLED: dict[str, str] = _by_name(
    {
        "subscription": (
            "customer.subscription.active customer.subscription.cancel_at_changed "
            "customer.subscription.default_payment_method_changed customer.subscription.incomplete "
            "customer.subscription.incomplete_expired customer.subscription.item_added "
            "customer.subscription.item_price_changed customer.subscription.item_quantity_changed "
            "customer.subscription.item_removed customer.subscription.item_tax_rates_changed customer.subscription.past_due "
            "customer.subscription.trialing customer.subscription.unpaid"
        ),
        "invoice": (
            "invoice.discount_added invoice.discount_removed invoice.line_item_added invoice.line_item_pricing_changed "
            "invoice.line_item_quantity_changed invoice.line_item_removed"
        ),
        "invoice_payment": "invoice_payment.canceled invoice_payment.open",
        "price": "price.activated price.deactivated price.lookup_key_changed price.tax_behavior_changed",
        "product": ("product.activated product.deactivated product.default_price_changed product.tax_code_changed"),
    }
)
"""Types only told thin (``v1.`` left out) -> object."""

THIN_IGNORED: dict[str, str] = _by_name(
    {
        "usage_not_booked": "billing.meter.error_report_triggered billing.meter.no_meter_found",
        "told_by_invoice": (
            "customer.discount.source_changed invoiceitem.amount_changed invoiceitem.discount_added "
            "invoiceitem.discount_removed promotion_code.fully_redeemed"
        ),
        "entitlements_follow_subscriptions": (
            "entitlements.active_entitlement_summary.entitlement_added entitlements.active_entitlement_summary.entitlement_removed"
        ),
        "account_administration": (
            "financial_connections.account.balance_refresh_failed financial_connections.account.balance_refresh_succeeded "
            "financial_connections.account.inferred_balances_refresh_failed "
            "financial_connections.account.inferred_balances_refresh_succeeded "
            "financial_connections.account.ownership_refresh_failed "
            "financial_connections.account.ownership_refresh_succeeded "
            "financial_connections.account.risk_intelligence_refresh_failed "
            "financial_connections.account.risk_intelligence_refresh_succeeded "
            "financial_connections.account.transactions_refresh_failed "
            "financial_connections.account.transactions_refresh_succeeded v2.commerce.product_catalog.imports.failed "
            "v2.commerce.product_catalog.imports.processing v2.commerce.product_catalog.imports.succeeded "
            "v2.commerce.product_catalog.imports.succeeded_with_errors v2.core.account.closed v2.core.account.created "
            "v2.core.account.updated v2.core.account[configuration.customer].capability_status_updated "
            "v2.core.account[configuration.customer].updated "
            "v2.core.account[configuration.merchant].capability_status_updated "
            "v2.core.account[configuration.merchant].updated "
            "v2.core.account[configuration.recipient].capability_status_updated "
            "v2.core.account[configuration.recipient].updated v2.core.account[defaults].updated "
            "v2.core.account[future_requirements].updated v2.core.account[identity].updated "
            "v2.core.account[requirements].updated v2.core.account_link.returned v2.core.account_person.created "
            "v2.core.account_person.deleted v2.core.account_person.updated"
        ),
        "told_by_subscription": (
            "subscription_schedule.phase_added subscription_schedule.phase_default_tax_rates_changed "
            "subscription_schedule.phase_end_date_changed subscription_schedule.phase_removed "
            "subscription_schedule.phase_trial_end_changed"
        ),
        "endpoint_ping": "v2.core.event_destination.ping",
        "told_by_balance_transaction": (
            "v2.money_management.adjustment.created v2.money_management.financial_account.created "
            "v2.money_management.financial_account.updated v2.money_management.financial_address.activated "
            "v2.money_management.financial_address.failed v2.money_management.inbound_transfer.available "
            "v2.money_management.inbound_transfer.bank_debit_failed "
            "v2.money_management.inbound_transfer.bank_debit_processing "
            "v2.money_management.inbound_transfer.bank_debit_queued "
            "v2.money_management.inbound_transfer.bank_debit_returned "
            "v2.money_management.inbound_transfer.bank_debit_succeeded v2.money_management.outbound_payment.canceled "
            "v2.money_management.outbound_payment.created v2.money_management.outbound_payment.failed "
            "v2.money_management.outbound_payment.posted v2.money_management.outbound_payment.returned "
            "v2.money_management.outbound_payment.under_review v2.money_management.outbound_payment.updated "
            "v2.money_management.payout_intent.canceled v2.money_management.payout_intent.created "
            "v2.money_management.payout_intent.pending v2.money_management.payout_intent.posted "
            "v2.money_management.payout_intent.processing v2.money_management.payout_intent.requires_action "
            "v2.money_management.payout_intent.updated v2.money_management.payout_method.created "
            "v2.money_management.payout_method.updated v2.money_management.received_credit.available "
            "v2.money_management.received_credit.failed v2.money_management.received_credit.returned "
            "v2.money_management.received_credit.succeeded v2.money_management.recipient_verification.created "
            "v2.money_management.recipient_verification.updated v2.money_management.transaction.created "
            "v2.money_management.transaction.updated"
        ),
    }
)
"""Types only told thin (``v1.`` left out) -> rule."""
