"""Types of objects and their fields, as every org has them, and as an org adds to them.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_list.htm
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]


@dataclass
class Field:
    """One field. ``type``: as a description names it; ``relationship``: what its other end is called in queries."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 255
    precision: int = 0
    scale: int = 0
    required: bool = False
    writable: bool = True
    to: str = ""
    relationship: str = ""
    values: tuple[str, ...] = ()
    restricted: bool = False
    unique: bool = False
    external: bool = False

    @property
    def is_custom(self) -> bool:
        """Whether an org added it."""
        return self.name.endswith("__c")

    def described(self, *, is_closed: bool) -> Obj:
        """Return it as a description shows it to a user who may not write it (``is_closed``), or may."""
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "length": self.length if self.type in ("string", "textarea", "picklist", "email", "phone", "url") else 0,
            "precision": self.precision,
            "scale": self.scale,
            "nillable": not self.required,
            "createable": self.writable,
            "updateable": self.writable and not is_closed,
            "custom": self.is_custom,
            "externalId": self.external,
            "unique": self.unique,
            "referenceTo": [self.to] if self.to else [],
            "relationshipName": self.relationship or None,
            "restrictedPicklist": self.restricted,
            "picklistValues": [{"value": value, "label": value, "active": True, "defaultValue": False} for value in self.values],
            "calculated": False,
            "filterable": True,
            "sortable": True,
        }


@dataclass
class SObject:
    """One type of object. ``children``: by the name in queries, the type and its field that points here."""

    name: str
    prefix: str
    fields: dict[str, Field]
    children: dict[str, tuple[str, str]] = field(default_factory=dict)
    can_merge: bool = False

    def find(self, name: str) -> Field | None:
        """Return a field by its name, in any case."""
        found = self.fields.get(name)
        return found if found is not None else next((one for key, one in self.fields.items() if key.lower() == name.lower()), None)


def _reads(name: str, type: str, **more: Any) -> Field:
    return Field(name, type, writable=False, **more)


def _system() -> list[Field]:
    return [
        _reads("Id", "id"),
        _reads("IsDeleted", "boolean"),
        _reads("CreatedDate", "datetime"),
        _reads("CreatedById", "reference", to="User", relationship="CreatedBy"),
        _reads("LastModifiedDate", "datetime"),
        _reads("LastModifiedById", "reference", to="User", relationship="LastModifiedBy"),
        _reads("SystemModstamp", "datetime"),
    ]


def _type(name: str, prefix: str, *fields: Field, children: dict[str, tuple[str, str]] | None = None, can_merge: bool = False) -> SObject:
    return SObject(name, prefix, {one.name: one for one in (*_system(), *fields)}, children or {}, can_merge)


def _ref(name: str, to: str, relationship: str, **more: Any) -> Field:
    return Field(name, "reference", to=to, relationship=relationship, **more)


STAGES: dict[str, tuple[bool, bool]] = {
    "Prospecting": (False, False),
    "Qualification": (False, False),
    "Proposal/Price Quote": (False, False),
    "Negotiation/Review": (False, False),
    "Closed Won": (True, True),
    "Closed Lost": (True, False),
}
"""Whether an opportunity of a stage is closed, and won."""
_MONEY: dict[str, Any] = {"precision": 18, "scale": 2}


def _sales() -> list[SObject]:
    return [
        _type(
            "Account", "001",
            Field("Name", required=True), Field("Website", "url"), Field("Phone", "phone"), Field("Industry", "picklist"),
            Field("BillingStreet", "textarea"), Field("BillingCity"), Field("BillingPostalCode"), Field("BillingState"),
            Field("BillingCountry"), _ref("ParentId", "Account", "Parent"), _ref("OwnerId", "User", "Owner"),
            _reads("MasterRecordId", "reference", to="Account", relationship="MasterRecord"),
            children={"Contacts": ("Contact", "AccountId"), "Opportunities": ("Opportunity", "AccountId")}, can_merge=True,
        ),
        _type(
            "Contact", "003",
            _reads("Name", "string"), Field("FirstName"), Field("LastName", required=True), Field("Email", "email"),
            Field("Phone", "phone"), Field("Title"), _ref("AccountId", "Account", "Account"), _ref("OwnerId", "User", "Owner"),
            _reads("MasterRecordId", "reference", to="Contact", relationship="MasterRecord"), can_merge=True,
        ),
        _type(
            "Opportunity", "006",
            Field("Name", required=True), _ref("AccountId", "Account", "Account"), _ref("OwnerId", "User", "Owner"),
            Field("StageName", "picklist", required=True, values=tuple(STAGES)), Field("Amount", "currency", **_MONEY),
            Field("CloseDate", "date", required=True), _reads("IsClosed", "boolean"), _reads("IsWon", "boolean"),
            _reads("HasOpportunityLineItem", "boolean"), Field("Type", "picklist"), Field("NextStep"),
            children={
                "OpportunityLineItems": ("OpportunityLineItem", "OpportunityId"),
                "OpportunityContactRoles": ("OpportunityContactRole", "OpportunityId"),
            },
        ),
        _type(
            "OpportunityLineItem", "00k",
            _ref("OpportunityId", "Opportunity", "Opportunity", required=True),
            _ref("PricebookEntryId", "PricebookEntry", "PricebookEntry"), _ref("Product2Id", "Product2", "Product2"),
            _reads("ProductCode", "string"), _reads("Name", "string"),
            Field("Quantity", "double", required=True, **_MONEY), Field("UnitPrice", "currency", **_MONEY),
            _reads("TotalPrice", "currency", **_MONEY), Field("Discount", "percent"), Field("ServiceDate", "date"), Field("Description"),
        ),
        _type(
            "OpportunityContactRole", "00K",
            _ref("OpportunityId", "Opportunity", "Opportunity", required=True), _ref("ContactId", "Contact", "Contact", required=True),
            Field("Role", "picklist"), Field("IsPrimary", "boolean"),
        ),
        _type("Product2", "01t", Field("Name", required=True), Field("ProductCode"), Field("IsActive", "boolean")),
        _type("Pricebook2", "01s", Field("Name", required=True), Field("IsActive", "boolean")),
        _type(
            "PricebookEntry", "01u",
            _ref("Product2Id", "Product2", "Product2"), _ref("Pricebook2Id", "Pricebook2", "Pricebook2"),
            Field("UnitPrice", "currency", **_MONEY), Field("IsActive", "boolean"),
        ),
    ]  # fmt: skip


def _settings() -> list[SObject]:
    return [
        _type("User", "005", Field("Username", required=True), Field("Name"), Field("Email", "email"), Field("IsActive", "boolean")),
        _type("Organization", "00D", Field("Name"), Field("IsSandbox", "boolean"), Field("OrganizationType", "picklist")),
        _type("PermissionSet", "0PS", Field("Name", required=True), Field("Label", required=True)),
        _type(
            "FieldPermissions", "01k", _ref("ParentId", "PermissionSet", "Parent", required=True), Field("SobjectType", required=True),
            Field("Field", required=True), Field("PermissionsRead", "boolean"), Field("PermissionsEdit", "boolean"),
        ),
        _type(
            "PermissionSetAssignment", "0Pa", _ref("PermissionSetId", "PermissionSet", "PermissionSet", required=True),
            _ref("AssigneeId", "User", "Assignee", required=True),
        ),
        _type("RecordType", "012", Field("Name"), Field("DeveloperName"), Field("SobjectType", "picklist")),
    ]  # fmt: skip


def types() -> dict[str, SObject]:
    """Return the types of a new org with one currency and without person accounts."""
    return {one.name: one for one in (*_sales(), *_settings())}


def with_currencies(found: dict[str, SObject]) -> None:
    """Let an org have several currencies, with rates that are dated: records say which currency theirs is."""
    for name in ("Account", "Contact", "Opportunity", "OpportunityLineItem", "Product2", "PricebookEntry"):
        found[name].fields["CurrencyIsoCode"] = Field("CurrencyIsoCode", "picklist")
    found["CurrencyType"] = _type(
        "CurrencyType", "01L", Field("IsoCode", "picklist"), Field("ConversionRate", "double"), Field("DecimalPlaces", "int"),
        Field("IsActive", "boolean"), Field("IsCorporate", "boolean"),
    )  # fmt: skip
    found["DatedConversionRate"] = _type(
        "DatedConversionRate", "04w", Field("IsoCode", "picklist"), Field("ConversionRate", "double"), Field("StartDate", "date"),
        Field("NextStartDate", "date"),
    )  # fmt: skip


def with_person_accounts(found: dict[str, SObject]) -> None:
    """Let accounts be persons: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_guidelines_personaccounts.htm."""
    person = [
        _reads("IsPersonAccount", "boolean"),
        _reads("PersonContactId", "reference", to="Contact", relationship="PersonContact"),
        Field("FirstName"),
        Field("LastName"),
        Field("PersonEmail", "email"),
    ]
    found["Account"].fields.update({one.name: one for one in person})
    found["Contact"].fields["IsPersonAccount"] = _reads("IsPersonAccount", "boolean")
