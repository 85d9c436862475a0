"""The rules a decision is made by: entities, routes and mappings, versioned as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from enum import StrEnum

from counterfoil.core.commands.crm import StatusPart
from counterfoil.core.finance.dates import accounting_date
from counterfoil.core.identity.loops import USUAL, LoopLimits
from counterfoil.core.identity.ownership import NOBODYS, Ownership
from counterfoil.core.kinds.dunning import Block
from counterfoil.core.language.keys import WaitKey, wait_for_mapping
from counterfoil.core.language.money import exponent_of
from counterfoil.core.language.records import Purpose


class PostingMode(StrEnum):
    """How the facts of an entity reach its books (requirement B2)."""

    DETAILED = "detailed"  # one document per fact
    SUMMARY = "summary"  # one entry per day, currency, product group and tax


class LockedPeriodPolicy(StrEnum):
    """What happens to a fact dated in a locked period."""

    FIRST_OPEN_DAY = "first_open_day"  # booked there, with a reference to the original date
    PARK = "park"  # a case for finance


class ProductPolicy(StrEnum):
    """Where the target's products come from."""

    CREATE = "create"  # created and kept up to date from the source
    MAPPED = "mapped"  # only what finance mapped; anything else is a case


class DisputeLostAccount(StrEnum):
    """Where the money of a lost dispute goes."""

    BAD_DEBT = "bad_debt"
    ADJUSTMENT = "adjustment"


class UncreditedRefundPolicy(StrEnum):
    """What happens to a refund no credit note accounts for."""

    CASE = "case"  # finance issues the credit note, or says that the customer owes it
    ACCOUNT = "account"  # booked to the refunds account; a credit note that comes later takes its part back


class ZeroInvoicePolicy(StrEnum):
    """What happens to an invoice whose lines are all zero (trials, coupons of 100 %)."""

    POST = "post"
    SKIP = "skip"


_POLICIES: dict[str, type[StrEnum]] = {
    "posting_mode": PostingMode,
    "locked_period_policy": LockedPeriodPolicy,
    "product_policy": ProductPolicy,
    "dispute_lost_account": DisputeLostAccount,
    "zero_invoice_policy": ZeroInvoicePolicy,
    "uncredited_refund_policy": UncreditedRefundPolicy,
}


@dataclass(frozen=True, slots=True)
class EntityRules:
    """One legal entity and how it books.

    Attributes:
        target: name of the connection its books are kept in: its destination of books.
        currency: the entity's own currency, upper-case ISO 4217.
        time_zone: accounting dates are the days of this zone.
        posting_mode_from: first accounting day of ``posting_mode``; facts of earlier days keep the other mode, so that switching books
            nothing twice. None: ``posting_mode`` has always held.
        locked_until: last accounting day that is locked for everything; None: nothing is locked.
        sales_locked_until, taxed_locked_until: the same for customers' invoices and credit notes, and for what carries taxes.
        rounding_tolerance_minor: what a declared rounding line may carry, in minor units of the document; None: 0.02 of the
            currency's major unit (domain: B3), which is nothing in a currency without decimals.
        deferred_product_groups: product groups whose revenue is booked as deferred.
        collecting_customer: canonical id of the customer that payments and refunds of nobody are booked on; empty: they are a case.
        is_observed: everything is decided, and nothing is sent to its books.
    """

    name: str
    target: str
    currency: str
    time_zone: tzinfo
    posting_mode: PostingMode = PostingMode.DETAILED
    locked_until: date | None = None
    locked_period_policy: LockedPeriodPolicy = LockedPeriodPolicy.FIRST_OPEN_DAY
    rounding_tolerance_minor: int | None = None
    product_policy: ProductPolicy = ProductPolicy.CREATE
    dispute_lost_account: DisputeLostAccount = DisputeLostAccount.BAD_DEBT
    zero_invoice_policy: ZeroInvoicePolicy = ZeroInvoicePolicy.POST
    deferred_product_groups: tuple[str, ...] = ()
    posting_mode_from: date | None = None
    sales_locked_until: date | None = None
    taxed_locked_until: date | None = None
    uncredited_refund_policy: UncreditedRefundPolicy = UncreditedRefundPolicy.CASE
    collecting_customer: str = ""
    is_observed: bool = False

    def __post_init__(self) -> None:
        """Take policies by their configured text, too; raises ValueError for a text that is no policy."""
        for name, kind in _POLICIES.items():
            object.__setattr__(self, name, kind(getattr(self, name)))

    def day_of(self, instant: datetime) -> date:
        """Return the accounting date of an instant, before any lock."""
        return accounting_date(instant, self.time_zone)

    def mode_on(self, day: date) -> PostingMode:
        """Return the posting mode of facts of an accounting day."""
        if self.posting_mode_from is None or day >= self.posting_mode_from:
            return self.posting_mode
        return PostingMode.SUMMARY if self.posting_mode is PostingMode.DETAILED else PostingMode.DETAILED

    def booking_in(self, mode: PostingMode) -> EntityRules:
        """Return the entity as it books in a mode whatever the day: what follows a booking follows its mode."""
        return replace(self, posting_mode=mode, posting_mode_from=None)

    def last_locked_day(self, *, is_document: bool, is_taxed: bool) -> date | None:
        """Return the last locked day of an invoice or credit note (``is_document``), or what carries taxes; None: nothing is locked."""
        days = (self.locked_until, self.sales_locked_until if is_document else None, self.taxed_locked_until if is_taxed else None)
        return max((day for day in days if day is not None), default=None)

    def tolerance_minor(self, currency: str) -> int:
        """Return the rounding tolerance of a document in a currency, in its minor units."""
        if self.rounding_tolerance_minor is not None:
            return self.rounding_tolerance_minor
        return 2 * int(10 ** exponent_of(currency)) // 100


@dataclass(frozen=True, slots=True)
class Route:
    """Sends facts to an entity. Routes are tried in order; an empty field matches anything; no match is a case.

    ``country`` is the customer's billing country (ISO 3166-1 alpha-2). Movements of money (payments, refunds, disputes, payouts, fees) have
    none: they belong to the entity that owns the processor's balance, and are routed by connection, account and settlement currency.
    """

    entity: str
    connection: str = ""
    account: str = ""
    country: str = ""
    currency: str = ""

    def matches(self, connection: str, account: str, country: str, currency: str) -> bool:
        """Tell whether every field that is set equals the given one."""
        wanted = ((self.connection, connection), (self.account, account), (self.country, country), (self.currency, currency))
        return all(not want or want == have for want, have in wanted)


class MappingKind(StrEnum):
    """What a mapping maps into the target."""

    TAX = "tax"
    PRODUCT = "product"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class MappingKey:
    """What is mapped, per entity.

    Keys by kind:
        tax: ``<tax rate id>|<inclusive or exclusive>``, or ``<jurisdiction>/<type>/<percentage>|...``, ``<jurisdiction>/<percentage>|...``,
            ``<taxability reason>|...``, ``<percentage>|...``; the most specific one present wins. Value: the target's tax.
        product: the canonical product id. Value: the target's product.
        account: ``product/<canonical product id>`` or ``group/<product group>``. Value: the target's revenue account.
    """

    kind: MappingKind
    entity: str
    key: str

    @property
    def wait(self) -> WaitKey:
        """What a subject that it is missing for waits for."""
        return wait_for_mapping(self.kind.value, self.entity, self.key)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a purpose is written to, for one legal entity or (``entity`` empty) for the whole company. Books stand with their entity.

    ``shows``: what its connector says to show of what may be left out. ``is_observed``: everything is decided, and nothing is sent there.
    """

    purpose: Purpose
    connection: str
    entity: str = ""
    shows: frozenset[StatusPart] = frozenset()
    is_observed: bool = False


@dataclass(frozen=True, slots=True)
class DunningStage:
    """A stage of the dunning of invoices that are not paid in time.

    Attributes:
        days_after_due: it begins on the day so many days after the invoice was due, in the legal entity's time zone.
        blocks: what is blocked for the customer while it lasts.
        tells: whose case it is; empty: nobody is told.
        asks: whether a person must approve before it begins.
        entity: only for this legal entity; empty: for those that have no stages of their own.
    """

    name: str
    days_after_due: int
    blocks: tuple[Block, ...] = ()
    tells: str = ""
    asks: bool = False
    entity: str = ""


@dataclass(frozen=True, slots=True)
class MatchingPolicy:
    """What becomes of two customers that may be one, of a legal entity, or (``entity`` empty) of those that have no policy of their own.

    Attributes:
        same: the score from which on, where nothing speaks against it, they are taken for one.
        review: the score from which on people are asked.
        links: whether two that are certainly one are linked without being asked for.
        owner: whose case a question is; empty: of whoever has that class of cases.
    """

    entity: str = ""
    same: float = 0.999
    review: float = 0.5
    links: bool = False
    owner: str = ""

    def beside(self, other: MatchingPolicy) -> MatchingPolicy:
        """Return what holds of a customer of this policy and one of another: the stricter of both, the entity and the owner of this one."""
        same, review = max(self.same, other.same), max(self.review, other.review)
        return MatchingPolicy(self.entity, same, review, self.links and other.links, self.owner or other.owner)


@dataclass(frozen=True, slots=True)
class ObservedFlows:
    """What of a target is only observed: ``is_whole``: all of it; else what is of some legal entities."""

    entities: frozenset[str] = frozenset()
    is_whole: bool = False

    def holds(self, entity: str) -> bool:
        """Tell whether what is of an entity is not sent."""
        return self.is_whole or entity in self.entities


NOTHING_OBSERVED = ObservedFlows()
_ALWAYS = tuple(purpose for purpose in Purpose if purpose.terms.is_per_entity)


def served(destinations: Collection[Destination]) -> tuple[Purpose, ...]:
    """Return what is written for: books always, and all that has a destination."""
    if not destinations:
        return _ALWAYS
    found = {destination.purpose for destination in destinations}
    return tuple(purpose for purpose in Purpose if purpose.terms.is_per_entity or purpose in found)


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a decision is made by besides the facts. ``version`` is kept on every command it shaped.

    ``mappings_version``: that of the latest mapping a person set, as far as it is known here. ``ownership``: whose word counts where
    several sources tell of one thing. ``loops``: how often a field must be written again to be held.
    """

    version: int
    entities: Mapping[str, EntityRules]
    routes: tuple[Route, ...]
    mappings: Mapping[MappingKey, str] = field(default_factory=dict)
    destinations: tuple[Destination, ...] = ()
    mappings_version: int = 0
    ownership: Ownership = NOBODYS
    dunning: tuple[DunningStage, ...] = ()
    matching: tuple[MatchingPolicy, ...] = ()
    loops: LoopLimits = USUAL

    def matching_of(self, entity: str) -> MatchingPolicy:
        """Return what becomes of an entity's customers that may be one with others; empty: of those no route leads anywhere."""
        whose = (one for name in (entity, "") for one in self.matching if one.entity == name)
        return next(whose, MatchingPolicy())

    def dunning_of(self, entity: str) -> tuple[DunningStage, ...]:
        """Return the stages an entity's invoices go through, in order of their days."""
        own = [stage for stage in self.dunning if stage.entity == entity] or [stage for stage in self.dunning if not stage.entity]
        return tuple(sorted(own, key=lambda stage: stage.days_after_due))

    def purposes(self) -> tuple[Purpose, ...]:
        """Return what is written for: books always, as a fact that has no place in them is a case; all else where it has a destination."""
        return served(self.destinations)

    def destinations_of(self, purpose: Purpose, entity: str = "") -> tuple[str, ...]:
        """Return the connections a purpose is written to for a legal entity, or (empty) for the whole company alone; each once."""
        found = [one.connection for one in self.destinations if one.purpose is purpose and one.entity in ("", entity)]
        if purpose is Purpose.BOOKS and entity in self.entities:
            found.insert(0, self.entities[entity].target)
        return tuple(dict.fromkeys(found))

    def observed(self, target: str) -> ObservedFlows:
        """Return what of a target is only observed."""
        books = {one.name for one in self.entities.values() if one.target == target and one.is_observed}
        others = {one.entity for one in self.destinations if one.connection == target and one.is_observed}
        return ObservedFlows(frozenset(books | others - {""}), is_whole="" in others)

    def days_to(self, entity: str, stage: str) -> int:
        """Return how many days after an invoice of an entity was due a stage of its dunning begins; 0: it is declared no more."""
        return next((one.days_after_due for one in self.dunning_of(entity) if one.name == stage), 0)

    def shows(self, purpose: Purpose, connection: str) -> frozenset[StatusPart]:
        """Return what a connection shows, for a purpose, of what may be left out."""
        several = (one.shows for one in self.destinations if (one.purpose, one.connection) == (purpose, connection))
        return frozenset(part for shows in several for part in shows)

    def route(self, connection: str, account: str = "", country: str = "", currency: str = "") -> EntityRules | None:
        """Return the entity of the first matching route; None if no route matches or the route's entity is not declared."""
        for route in self.routes:
            if route.matches(connection, account, country, currency):
                return self.entities.get(route.entity)
        return None

    def collecting_customers(self) -> tuple[str, ...]:
        """Return the customers that money of nobody is booked on, by id: what deciding looks at beside what a fact refers to."""
        return tuple(sorted({entity.collecting_customer for entity in self.entities.values() if entity.collecting_customer}))

    def lookup(self, kind: MappingKind, entity: str, key: str) -> str | None:
        """Return the mapped value, or None."""
        return self.mappings.get(MappingKey(kind, entity, key))
