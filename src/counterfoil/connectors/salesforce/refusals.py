"""Why Salesforce does not take a record, in words for those who sell, and what is to be done. Pure.

Codes: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm#statuscode
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from counterfoil.core.language.case_class import CaseClass

from .refs import ACCOUNT, OPPORTUNITY

LOCKED = "salesforce.row_locked"


@dataclass(frozen=True, slots=True)
class Noun:
    """What people call a record of a type, and several of them."""

    one: str
    several: str


NOUNS: Mapping[str, Noun] = {ACCOUNT: Noun("account", "accounts"), OPPORTUNITY: Noun("opportunity", "opportunities")}
"""What is written, by its name in Salesforce."""


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """One record's refusal. ``about``: what many records may be refused for alike, which is then one case."""

    code: str
    message: str
    remedy: str = ""
    about: str = ""
    is_to_be_tried_again: bool = False
    is_of_field: bool = False
    case_class: CaseClass = CaseClass.REJECTED_BY_TARGET


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a code means: words after the record, what to do, and our code. ``is_shared``: many records may be refused for it alike."""

    words: str
    remedy: str
    code: str
    is_shared: bool = False


_AGAIN = "then retry this case."
_RULES: Mapping[str, _Rule] = {
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": _Rule(
        "does not keep to a validation rule of Salesforce's",
        f"Correct the {{one}} as the rule says, or have whoever administers Salesforce exempt the integration user from it; {_AGAIN}",
        "salesforce.rule_refuses",
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _Rule(
        "cannot show its standing: the picklist lacks the value",
        f"Have whoever administers Salesforce add the value to the picklist Billing standing of {{several}}; {_AGAIN}",
        "salesforce.picklist_value_missing",
        is_shared=True,
    ),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": _Rule(
        "could not be saved: a flow or trigger of Salesforce's fails on it",
        f"Have whoever administers Salesforce look at what runs when an {{one}} is saved; {_AGAIN}",
        "salesforce.automation_fails",
    ),
    "NUMBER_OUTSIDE_VALID_RANGE": _Rule(
        "has an amount that is larger than its field takes", f"Make the fields larger in Salesforce; {_AGAIN}", "salesforce.values_refused"
    ),
}
_NO_RIGHT = _Rule(
    "may not be edited by the hub's integration user",
    f"Give the user edit access to the {{one}} (its owner's role, a sharing rule or Modify All on {{several}}); {_AGAIN}",
    "salesforce.account_closed",
)
_OTHERWISE = _Rule(
    "does not take the status", f"Look at the {{one}} in Salesforce for what stands in the way; {_AGAIN}", "salesforce.values_refused"
)
_RIGHTS = frozenset({"INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "INSUFFICIENT_ACCESS"})
_LOCKS = frozenset({"UNABLE_TO_LOCK_ROW"})
_TRANSIENT = frozenset({"SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT", "UNKNOWN_EXCEPTION", "PROCESSING_HALTED"})
_OF_FIELD = frozenset({"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"})


def refused(name: str, id: str, code: str, words: str) -> RecordRefusal:
    """Return what a refusal of one record means.

    Args:
        name: the type of the record.
        id: the record's.
        code: Salesforce's code.
        words: the refusal in words, without what was sent.
    """
    noun = NOUNS[name]
    record = f"{noun.one} {id}"
    if code in _LOCKS:
        return RecordRefusal(code=LOCKED, message=f"{record} is locked by another write", is_to_be_tried_again=True)
    if code in _TRANSIENT:
        return RecordRefusal(code="salesforce.not_now", message=f"{record} could not be saved now: {words}", is_to_be_tried_again=True)
    if code in _OF_FIELD:
        # The fields are looked at before the next try, which makes them or names them.
        return RecordRefusal(code="salesforce.field_unknown", message=f"{record}: {words}", is_to_be_tried_again=True, is_of_field=True)
    rule = _NO_RIGHT if code in _RIGHTS else _RULES.get(code, _OTHERWISE)
    about = f"picklist/{name}/{code}" if rule.is_shared else ""
    remedy = rule.remedy.replace("{one}", noun.one).replace("{several}", noun.several)
    return RecordRefusal(code=rule.code, message=f"{record} {rule.words}: {words}", remedy=remedy, about=about)
