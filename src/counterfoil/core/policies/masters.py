"""Master data: customers and products go to every target that keeps books for where they come from."""

from __future__ import annotations

from dataclasses import replace

from counterfoil.core.commands.books import BookCommand, UpsertCustomer, UpsertProduct
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.product import PRODUCT, Product
from counterfoil.core.language.keys import need_of
from counterfoil.core.language.records import Purpose

from .decision import Origin
from .draft import Draft
from .policy import Policy, nobody
from .requests import BookingRequest
from .rules import EntityRules, PostingMode, ProductPolicy, Rules
from .survivors import customer_of


def reached(rules: Rules, origin: Origin) -> tuple[EntityRules, ...]:
    """Return one entity per target that objects of a connection and account can go to, whatever their country and currency."""
    by_target: dict[str, EntityRules] = {}
    for route in rules.routes:
        entity = rules.entities.get(route.entity)
        if entity is not None and route.connection in ("", origin.connection) and route.account in ("", origin.account):
            first = by_target.setdefault(entity.target, entity)
            if first.is_observed and not entity.is_observed:  # what several entities share is sent if it is for one of them
                by_target[entity.target] = entity
    return tuple(by_target.values())


def is_written_to(rules: Rules, origin: Origin, target: str) -> bool:
    """Tell whether customers that a connection and account tell of are written to a target."""
    return any(entity.target == target and _keeps_documents(rules, target) for entity in reached(rules, origin))


def _entities(draft: Draft) -> tuple[EntityRules, ...]:
    found = reached(draft.rules, draft.routes.origin_of(draft.event.subject))
    if not found:
        draft.routes.route(draft.event.subject)
    return found


def _of_target(rules: Rules, target: str) -> tuple[EntityRules, ...]:
    return tuple(entity for entity in rules.entities.values() if entity.target == target)


def customer(draft: Draft, state: Customer) -> None:
    """Decide a customer: one record per target. A merged one is not written any more: everything of it goes to the survivor, and merges
    that leave nobody are a case.

    A deleted customer stays as it is in the target, since documents hang on it; what was wished of it still is, and one that never was is
    wished with all that is known of it: documents of it may be on their way. The balance at the source is no master data and left out. A
    nameless customer goes by its e-mail address or its id at the source: that must not hold up its invoices.
    """
    if state.merged_into:
        customer_of(draft, state.merged_into)
        draft.findings.ignore("customer_was_merged")
        return
    entities = [entity for entity in _entities(draft) if _keeps_documents(draft.rules, entity.target)]
    if not entities and not draft.findings.has_problems:
        draft.findings.ignore("customer_of_summary_entity")
    for entity in entities:
        if state.is_deleted and draft.outbox.keep("customer", state.id, entity.target):
            draft.findings.ignore("customer_deleted")
            continue
        name = state.name or state.email or state.id.partition(":")[2]
        arguments = UpsertCustomer(replace(state, balance=None, name=name))
        key = need_of(CUSTOMER.ref(state.id))
        kind = BookCommand.UPSERT_CUSTOMER
        draft.outbox.wish(BookingRequest(entity, kind, "customer", state.id, arguments, produces=key, order_key=state.id))


def _keeps_documents(rules: Rules, target: str) -> bool:
    entities = _of_target(rules, target)
    return any(entity.posting_mode is PostingMode.DETAILED or entity.posting_mode_from is not None for entity in entities)


def product(draft: Draft, state: Product) -> None:
    """Decide a product: one record per target that takes its products from the source."""
    wished = False
    for entity in _entities(draft):
        if all(sibling.product_policy is ProductPolicy.MAPPED for sibling in _of_target(draft.rules, entity.target)):
            continue
        if not _keeps_documents(draft.rules, entity.target):
            continue
        wished = True
        if state.is_deleted and draft.outbox.keep("product", state.id, entity.target):
            draft.findings.ignore("product_deleted")
            continue
        key = need_of(PRODUCT.ref(state.id))
        arguments = UpsertProduct(state.id, state.name or state.id, state.sku)
        kind = BookCommand.UPSERT_PRODUCT
        draft.outbox.wish(BookingRequest(entity, kind, "product", state.id, arguments, produces=key, order_key=state.id))
    if not wished and not draft.findings.has_problems:
        draft.findings.ignore("product_is_mapped")


POLICIES = (
    Policy(kind=CUSTOMER, purpose=Purpose.BOOKS, decide=customer, after=nobody, looks_back=False, sees_documents=False),
    Policy(kind=PRODUCT, purpose=Purpose.BOOKS, decide=product, after=nobody, looks_back=False, sees_documents=False),
)
