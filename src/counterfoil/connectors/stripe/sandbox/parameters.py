"""Which top-level parameters each call takes; anything else answers parameter_unknown.

The names come from the parameter types of Stripe's own Python package 16.1.0 (API 2026-10-28.endive, MIT) and, for older API versions, from
Stripe's OpenAPI file of 2023-08-16 (MIT). Calls that are in neither take anything.
"""

from __future__ import annotations

from .errors import unknown_parameter
from .forms import Obj
from .legacy import CLOVER

_TAKES: dict[str, str] = {
    "GET /v1/balance": "",
    "GET /v1/balance_transactions": "created currency ending_before limit payout source starting_after type",
    "GET /v1/balance_transactions/{}": "",
    "POST /v1/billing/meter_events": "event_name identifier payload timestamp",
    "GET /v1/billing/meters": "ending_before limit starting_after status",
    "POST /v1/billing/meters": ("customer_mapping default_aggregation display_name event_name event_time_window value_settings"),
    "GET /v1/billing/meters/{}": "",
    "POST /v1/billing/meters/{}/deactivate": "",
    "GET /v1/billing/meters/{}/event_summaries": "customer end_time ending_before limit start_time starting_after value_grouping_window",
    "POST /v1/billing/meters/{}/reactivate": "",
    "GET /v1/charges": "created customer ending_before limit payment_intent starting_after transfer_group",
    "POST /v1/charges": (
        "amount application_fee application_fee_amount capture currency customer description destination metadata on_behalf_of "
        "radar_options receipt_email shipping source statement_descriptor statement_descriptor_suffix transfer_data "
        "transfer_group"
    ),
    "GET /v1/charges/{}": "",
    "POST /v1/charges/{}": "customer description fraud_details metadata receipt_email shipping transfer_group",
    "POST /v1/charges/{}/capture": (
        "amount application_fee application_fee_amount receipt_email statement_descriptor statement_descriptor_suffix "
        "transfer_data transfer_group"
    ),
    "GET /v1/coupons": "created ending_before limit starting_after",
    "POST /v1/coupons": (
        "amount_off applies_to currency currency_options duration duration_in_months id max_redemptions metadata name percent_off redeem_by"
    ),
    "DELETE /v1/coupons/{}": "",
    "GET /v1/coupons/{}": "",
    "POST /v1/coupons/{}": "currency_options metadata name",
    "GET /v1/credit_notes": "created customer customer_account ending_before invoice limit starting_after",
    "POST /v1/credit_notes": (
        "amount credit_amount effective_at email_type invoice lines memo metadata out_of_band_amount reason refund_amount refunds "
        "shipping_cost"
    ),
    "GET /v1/credit_notes/preview": (
        "amount credit_amount effective_at email_type invoice lines memo metadata out_of_band_amount reason refund_amount refunds "
        "shipping_cost"
    ),
    "GET /v1/credit_notes/{}": "",
    "POST /v1/credit_notes/{}": "memo metadata",
    "GET /v1/credit_notes/{}/lines": "ending_before limit starting_after",
    "POST /v1/credit_notes/{}/void": "",
    "GET /v1/customers": "created email ending_before limit starting_after test_clock",
    "POST /v1/customers": (
        "address balance business_name cash_balance description email individual_name invoice_prefix invoice_settings metadata "
        "name next_invoice_sequence payment_method phone preferred_locales shipping source tax tax_exempt tax_id_data test_clock "
        "validate"
    ),
    "DELETE /v1/customers/{}": "",
    "GET /v1/customers/{}": "",
    "POST /v1/customers/{}": (
        "address balance business_name cash_balance default_source description email individual_name invoice_prefix "
        "invoice_settings metadata name next_invoice_sequence phone preferred_locales shipping source tax tax_exempt validate"
    ),
    "GET /v1/customers/{}/balance_transactions": "created ending_before invoice limit starting_after",
    "POST /v1/customers/{}/balance_transactions": "amount currency description metadata",
    "GET /v1/customers/{}/balance_transactions/{}": "",
    "POST /v1/customers/{}/balance_transactions/{}": "description metadata",
    "DELETE /v1/customers/{}/discount": "",
    "GET /v1/customers/{}/payment_methods": "allow_redisplay ending_before limit starting_after type",
    "GET /v1/customers/{}/payment_methods/{}": "",
    "GET /v1/customers/{}/tax_ids": "ending_before limit starting_after",
    "POST /v1/customers/{}/tax_ids": "type value",
    "DELETE /v1/customers/{}/tax_ids/{}": "",
    "GET /v1/customers/{}/tax_ids/{}": "",
    "GET /v1/disputes": "charge created ending_before limit payment_intent starting_after",
    "GET /v1/disputes/{}": "",
    "POST /v1/disputes/{}": "evidence intended_submission_method metadata submit",
    "POST /v1/disputes/{}/close": "",
    "GET /v1/events": "created delivery_success ending_before limit starting_after type types",
    "GET /v1/events/{}": "",
    "GET /v1/invoice_payments": "created ending_before invoice limit payment starting_after status",
    "GET /v1/invoice_payments/{}": "",
    "GET /v1/invoiceitems": "created customer customer_account ending_before invoice limit pending starting_after",
    "POST /v1/invoiceitems": (
        "amount currency customer customer_account description discountable discounts invoice metadata period price_data pricing "
        "quantity quantity_decimal subscription tax_behavior tax_code tax_rates unit_amount_decimal"
    ),
    "DELETE /v1/invoiceitems/{}": "",
    "GET /v1/invoiceitems/{}": "",
    "POST /v1/invoiceitems/{}": (
        "amount description discountable discounts invoicing_rules metadata period price_data pricing quantity quantity_decimal "
        "tax_behavior tax_code tax_rates unit_amount_decimal"
    ),
    "GET /v1/invoices": (
        "collection_method created customer customer_account due_date ending_before limit starting_after status subscription"
    ),
    "POST /v1/invoices": (
        "account_tax_ids application_fee_amount auto_advance automatic_tax automatically_finalizes_at collection_method currency "
        "custom_fields customer customer_account days_until_due default_payment_method default_source default_tax_rates "
        "description discounts due_date effective_at footer from_invoice issuer metadata number on_behalf_of payment_settings "
        "pending_invoice_items_behavior rendering shipping_cost shipping_details statement_descriptor subscription transfer_data"
    ),
    "POST /v1/invoices/create_preview": (
        "automatic_tax currency customer customer_account customer_details discounts invoice_items issuer on_behalf_of "
        "preview_mode schedule schedule_details subscription subscription_details"
    ),
    "DELETE /v1/invoices/{}": "",
    "GET /v1/invoices/{}": "",
    "POST /v1/invoices/{}": (
        "account_tax_ids application_fee_amount auto_advance automatic_tax automatically_finalizes_at collection_method "
        "custom_fields days_until_due default_payment_method default_source default_tax_rates description discounts due_date "
        "effective_at footer issuer metadata number on_behalf_of payment_settings rendering shipping_cost shipping_details "
        "statement_descriptor transfer_data"
    ),
    "POST /v1/invoices/{}/add_lines": "invoice_metadata lines",
    "POST /v1/invoices/{}/attach_payment": "payment_intent payment_record",
    "POST /v1/invoices/{}/finalize": "auto_advance",
    "GET /v1/invoices/{}/lines": "ending_before limit starting_after",
    "POST /v1/invoices/{}/lines/{}": (
        "amount description discountable discounts metadata period price_data pricing quantity quantity_decimal tax_amounts tax_rates"
    ),
    "POST /v1/invoices/{}/mark_uncollectible": "",
    "POST /v1/invoices/{}/pay": "forgive mandate off_session paid_out_of_band payment_method source",
    "POST /v1/invoices/{}/send": "",
    "POST /v1/invoices/{}/void": "",
    "GET /v1/payment_intents": "created customer customer_account ending_before limit starting_after",
    "POST /v1/payment_intents": (
        "allowed_payment_method_types amount amount_details application_fee_amount automatic_payment_methods capture_method "
        "confirm confirmation_method confirmation_token currency customer customer_account description error_on_requires_action "
        "excluded_payment_method_types hooks mandate mandate_data metadata off_session on_behalf_of payment_details "
        "payment_method payment_method_configuration payment_method_data payment_method_options radar_options receipt_email "
        "return_url setup_future_usage shipping statement_descriptor statement_descriptor_suffix transfer_data transfer_group "
        "use_stripe_sdk"
    ),
    "GET /v1/payment_intents/{}": "client_secret",
    "POST /v1/payment_intents/{}": (
        "allowed_payment_method_types amount amount_details application_fee_amount capture_method currency customer "
        "customer_account description excluded_payment_method_types hooks metadata payment_details payment_method "
        "payment_method_configuration payment_method_data payment_method_options receipt_email setup_future_usage shipping "
        "statement_descriptor statement_descriptor_suffix transfer_data transfer_group"
    ),
    "POST /v1/payment_intents/{}/cancel": "cancellation_reason",
    "POST /v1/payment_intents/{}/capture": (
        "amount_details amount_to_capture application_fee_amount final_capture hooks metadata payment_details "
        "statement_descriptor statement_descriptor_suffix transfer_data"
    ),
    "POST /v1/payment_intents/{}/confirm": (
        "allowed_payment_method_types amount_details amount_to_confirm capture_method confirmation_token error_on_requires_action "
        "excluded_payment_method_types hooks mandate mandate_data off_session payment_details payment_method payment_method_data "
        "payment_method_options radar_options receipt_email return_url setup_future_usage shipping use_stripe_sdk"
    ),
    "GET /v1/payment_methods": "allow_redisplay customer customer_account ending_before limit starting_after type",
    "POST /v1/payment_methods": (
        "allow_redisplay bacs_debit billing_details card customer customer_balance link metadata payment_method radar_options "
        "sepa_debit type us_bank_account"
    ),
    "GET /v1/payment_methods/{}": "",
    "POST /v1/payment_methods/{}": "allow_redisplay billing_details card metadata us_bank_account",
    "POST /v1/payment_methods/{}/attach": "customer customer_account",
    "POST /v1/payment_methods/{}/detach": "",
    "GET /v1/payouts": "arrival_date created destination ending_before limit starting_after status",
    "POST /v1/payouts": ("amount currency description destination metadata method payout_method source_type statement_descriptor"),
    "GET /v1/payouts/{}": "",
    "POST /v1/payouts/{}": "metadata",
    "POST /v1/payouts/{}/cancel": "",
    "GET /v1/prices": ("active created currency ending_before limit lookup_keys product recurring starting_after type"),
    "POST /v1/prices": (
        "active billing_scheme currency currency_options custom_unit_amount lookup_key metadata nickname product product_data "
        "recurring tax_behavior tiers tiers_mode transfer_lookup_key transform_quantity unit_amount unit_amount_decimal"
    ),
    "GET /v1/prices/{}": "",
    "POST /v1/prices/{}": "active currency_options lookup_key metadata nickname tax_behavior transfer_lookup_key",
    "GET /v1/products": "active created ending_before ids limit shippable starting_after type url",
    "POST /v1/products": (
        "active default_price_data description id images marketing_features metadata name package_dimensions shippable "
        "statement_descriptor tax_code tax_details type unit_label url"
    ),
    "DELETE /v1/products/{}": "",
    "GET /v1/products/{}": "",
    "POST /v1/products/{}": (
        "active default_price description images marketing_features metadata name package_dimensions shippable "
        "statement_descriptor tax_code tax_details unit_label url"
    ),
    "GET /v1/promotion_codes": "active code coupon created customer customer_account ending_before limit starting_after",
    "POST /v1/promotion_codes": ("active code customer customer_account expires_at max_redemptions metadata promotion restrictions"),
    "GET /v1/promotion_codes/{}": "",
    "POST /v1/promotion_codes/{}": "active metadata restrictions",
    "GET /v1/quotes": "customer customer_account ending_before limit starting_after status test_clock",
    "POST /v1/quotes": (
        "application_fee_amount application_fee_percent automatic_tax collection_method customer customer_account "
        "default_tax_rates description discounts expires_at footer from_quote header invoice_settings line_items metadata "
        "on_behalf_of subscription_data test_clock transfer_data"
    ),
    "GET /v1/quotes/{}": "",
    "POST /v1/quotes/{}/accept": "",
    "POST /v1/quotes/{}/cancel": "",
    "POST /v1/quotes/{}/finalize": "expires_at",
    "GET /v1/quotes/{}/line_items": "ending_before limit starting_after",
    "GET /v1/refunds": "charge created ending_before limit payment_intent starting_after",
    "POST /v1/refunds": (
        "amount charge currency customer instructions_email metadata origin payment_intent reason refund_application_fee reverse_transfer"
    ),
    "GET /v1/refunds/{}": "",
    "POST /v1/refunds/{}": "metadata",
    "POST /v1/refunds/{}/cancel": "",
    "GET /v1/setup_intents": ("attach_to_self created customer customer_account ending_before limit payment_method starting_after"),
    "POST /v1/setup_intents": (
        "allowed_payment_method_types attach_to_self automatic_payment_methods confirm confirmation_token customer "
        "customer_account description excluded_payment_method_types flow_directions mandate_data metadata on_behalf_of "
        "payment_method payment_method_configuration payment_method_data payment_method_options return_url single_use usage "
        "use_stripe_sdk"
    ),
    "GET /v1/setup_intents/{}": "",
    "POST /v1/setup_intents/{}/cancel": "cancellation_reason",
    "POST /v1/setup_intents/{}/confirm": (
        "allowed_payment_method_types confirmation_token mandate_data payment_method payment_method_data payment_method_options "
        "return_url use_stripe_sdk"
    ),
    "GET /v1/subscription_items": "ending_before limit starting_after subscription",
    "POST /v1/subscription_items": (
        "billing_thresholds current_trial discounts metadata payment_behavior plan price price_data proration_behavior "
        "proration_date quantity subscription tax_rates"
    ),
    "DELETE /v1/subscription_items/{}": "clear_usage payment_behavior proration_behavior proration_date",
    "GET /v1/subscription_items/{}": "",
    "POST /v1/subscription_items/{}": (
        "billing_thresholds current_trial discounts metadata off_session payment_behavior plan price price_data "
        "proration_behavior proration_date quantity tax_rates"
    ),
    "GET /v1/subscription_schedules": (
        "canceled_at completed_at created customer customer_account ending_before limit released_at scheduled starting_after"
    ),
    "POST /v1/subscription_schedules": (
        "billing_mode customer customer_account default_settings end_behavior from_subscription metadata pause_schedules phases start_date"
    ),
    "GET /v1/subscription_schedules/{}": "",
    "POST /v1/subscription_schedules/{}": "default_settings end_behavior metadata pause_schedules phases proration_behavior",
    "POST /v1/subscription_schedules/{}/cancel": "invoice_now prorate",
    "POST /v1/subscription_schedules/{}/release": "preserve_cancel_date",
    "GET /v1/subscriptions": (
        "automatic_tax collection_method created current_period_end current_period_start customer customer_account ending_before "
        "limit plan price starting_after status test_clock"
    ),
    "POST /v1/subscriptions": (
        "add_invoice_items application_fee_percent automatic_tax backdate_start_date billing_cycle_anchor "
        "billing_cycle_anchor_config billing_mode billing_schedules billing_thresholds cancel_at cancel_at_period_end "
        "collection_method currency customer customer_account days_until_due default_payment_method default_source "
        "default_tax_rates description discounts invoice_settings items metadata off_session on_behalf_of payment_behavior "
        "payment_settings pending_invoice_item_interval proration_behavior transfer_data trial_end trial_from_plan "
        "trial_period_days trial_settings"
    ),
    "DELETE /v1/subscriptions/{}": "cancellation_details invoice_now prorate",
    "GET /v1/subscriptions/{}": "",
    "POST /v1/subscriptions/{}": (
        "add_invoice_items application_fee_percent automatic_tax billing_cycle_anchor billing_schedules billing_thresholds "
        "cancel_at cancel_at_period_end cancellation_details collection_method days_until_due default_payment_method "
        "default_source default_tax_rates description discounts invoice_settings items metadata off_session on_behalf_of "
        "pause_collection payment_behavior payment_settings pending_invoice_item_interval proration_behavior proration_date "
        "transfer_data trial_end trial_from_plan trial_settings"
    ),
    "DELETE /v1/subscriptions/{}/discount": "",
    "POST /v1/subscriptions/{}/resume": "billing_cycle_anchor payment_behavior proration_behavior proration_date",
    "GET /v1/tax_ids": "ending_before limit owner starting_after",
    "GET /v1/tax_ids/{}": "",
    "GET /v1/tax_rates": "active created ending_before inclusive limit starting_after",
    "POST /v1/tax_rates": ("active country description display_name inclusive jurisdiction metadata percentage state tax_type"),
    "GET /v1/tax_rates/{}": "",
    "POST /v1/tax_rates/{}": "active country description display_name jurisdiction metadata state tax_type",
    "POST /v1/test_helpers/refunds/{}/expire": "",
    "GET /v1/test_helpers/test_clocks": "ending_before limit starting_after",
    "POST /v1/test_helpers/test_clocks": "customer frozen_time name",
    "DELETE /v1/test_helpers/test_clocks/{}": "",
    "GET /v1/test_helpers/test_clocks/{}": "",
    "POST /v1/test_helpers/test_clocks/{}/advance": "frozen_time",
    "GET /v1/webhook_endpoints": "ending_before limit starting_after",
    "POST /v1/webhook_endpoints": "api_version connect description enabled_events metadata url",
    "DELETE /v1/webhook_endpoints/{}": "",
    "GET /v1/webhook_endpoints/{}": "",
    "POST /v1/webhook_endpoints/{}": "description disabled enabled_events metadata url",
    "DELETE /v2/core/event_destinations/{}": "",
}
_TOOK: dict[str, str] = {
    "POST /v1/charges": "card",
    "POST /v1/credit_notes": "refund",
    "GET /v1/credit_notes/preview": "refund",
    "POST /v1/customers": "coupon promotion_code",
    "POST /v1/customers/{}": ("bank_account card coupon default_alipay_account default_bank_account default_card promotion_code"),
    "POST /v1/invoiceitems": "price unit_amount",
    "POST /v1/invoiceitems/{}": "price unit_amount",
    "POST /v1/invoices": "rendering_options",
    "POST /v1/invoices/{}": "rendering_options",
    "POST /v1/payment_intents": "payment_method_types",
    "POST /v1/payment_intents/{}": "payment_method_types",
    "POST /v1/payment_intents/{}/confirm": "client_secret payment_method_types",
    "POST /v1/payment_methods": (
        "acss_debit affirm afterpay_clearpay alipay au_becs_debit bancontact blik boleto cashapp eps fpx giropay grabpay ideal "
        "interac_present klarna konbini oxxo p24 paynow paypal pix promptpay sofort wechat_pay zip"
    ),
    "POST /v1/payment_methods/{}": "link",
    "POST /v1/products": "features",
    "POST /v1/products/{}": "features",
    "POST /v1/promotion_codes": "coupon",
    "POST /v1/subscriptions": "coupon promotion_code",
    "POST /v1/subscriptions/{}": "coupon promotion_code",
}
_STILL_TAKEN = {"/v1/payment_intents": "payment_method_types", "/v1/setup_intents": "payment_method_types"}
"""Left out of the package's types in favor of allowed_payment_method_types, yet part of the answers: taken in every version."""
_ALLOWED = {
    key: frozenset(f"{names} {next((more for path, more in _STILL_TAKEN.items() if f'POST {path}' in key), '')}".split())
    for key, names in _TAKES.items()
}
_ALLOWED_BEFORE = {key: _ALLOWED[key] | frozenset(names.split()) for key, names in _TOOK.items()}


def _key(method: str, template: str) -> str:
    parts = ["{}" if part.startswith("{") else part for part in template.split("/")]
    return f"{method} {'/'.join(parts)}"


def taken(method: str, template: str) -> frozenset[str]:
    """Return the parameters a call takes in the latest version; empty if that is not known."""
    return _ALLOWED.get(_key(method, template), frozenset())


def check(method: str, template: str, params: Obj, version: str) -> None:
    """Raise Stripe's parameter_unknown for a parameter the call does not take in a version."""
    if not params:
        return
    key = _key(method, template)
    allowed = _ALLOWED.get(key)
    if allowed is None:
        return
    if version[:10] < CLOVER:
        allowed = _ALLOWED_BEFORE.get(key, allowed)
    for name in params:
        if name not in allowed:
            raise unknown_parameter(name)
