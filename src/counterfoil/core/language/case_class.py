"""The classes of exceptions: what kind of thing stands in the way, whatever the record and whoever found it."""

from __future__ import annotations

from enum import StrEnum


class CaseClass(StrEnum):
    """The exception classes of the domain (X1)."""

    TARGET_UNAVAILABLE = "target_unavailable"
    AUTHENTICATION_REFUSED = "authentication_refused"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNMAPPED_PRODUCT = "unmapped_product"
    UNMAPPED_TAX = "unmapped_tax"
    UNMAPPED_ACCOUNT = "unmapped_account"
    MISSING_FIELD = "missing_mandatory_field"
    OWNERSHIP_VIOLATION = "ownership_violation"
    DUPLICATE_SUSPECTED = "duplicate_suspected"
    AMOUNT_MISMATCH = "amount_mismatch"
    PERIOD_LOCKED = "period_locked"
    REJECTED_BY_TARGET = "rejected_by_target"
    DEPENDENCY_MISSING = "dependency_missing"
    SCHEMA_DRIFT = "schema_drift"
    RECONCILIATION_BREAK = "reconciliation_break"
    SERVICE_LEVEL_BREACHED = "service_level_breached"
    PAYMENT_OVERDUE = "payment_overdue"
