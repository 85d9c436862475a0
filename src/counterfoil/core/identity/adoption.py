"""Adopting: which customers that sources tell of are which records a target holds already, by the matcher of names and numbers. Pure.

Only what is certain and alone is a link by itself. Two records for one customer, two customers for one record, and whatever the target says
stands in the way, is for people: a wrong link books one company's invoices on another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from counterfoil.core.identity.compared import details_of
from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.judging import Judgment, MatchVerdict
from counterfoil.core.identity.matching.matcher import match, reasons_of
from counterfoil.core.identity.matching.profiles import Profile, profile_of
from counterfoil.core.kinds.customer import NOWHERE, Address, Customer
from counterfoil.core.language.money import Money
from counterfoil.core.language.text import canonical_text


@dataclass(frozen=True, slots=True)
class ExistingRecord:
    """A record a target holds, whoever made it, in canonical words.

    Attributes:
        external_id: the target's own id, as outcomes name it.
        customer: what it says; its ``id`` is the external id.
        reference: the number or id of another system that people wrote on it.
        keys: the external keys of ours it bears.
        part_of: the external id of the record it hangs on, as a contact on its company; empty: it stands for itself.
        open: what is to be paid of it in the books, by currency.
        doubts: why only a person may say that it is somebody, in words.
        barred: why it cannot be bound whatever anybody says, in words; empty: it can.
        keeps: what of it the target keeps whatever the source says (``address``, ``tax id``): another record's own, say.
    """

    external_id: str
    customer: Customer
    reference: str = ""
    keys: tuple[str, ...] = ()
    part_of: str = ""
    open: tuple[Money, ...] = ()
    doubts: tuple[str, ...] = ()
    barred: str = ""
    keeps: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UnboundCustomer:
    """A customer that sources tell of and that no record is bound to: with its external key, and what is to be paid of it at its source.

    ``written``: as much of it as the target would write; None: all of it.
    """

    customer: Customer
    key: str
    open: tuple[Money, ...] = ()
    written: Customer | None = None


_ALIKE_MAX = 10
"""Records of one name that are shown to people; the reason names all."""


class LinkVerdict(StrEnum):
    """What a customer and a record are to each other."""

    CERTAIN = "certain"  # bound by --apply
    DOUBTFUL = "doubtful"  # bound if a person says so
    MISSING = "missing"  # no record is like it: it will be made


@dataclass(frozen=True, slots=True)
class AdoptionLink:
    """A customer and a record it is, or may be; ``record`` None: it is none of those there are.

    ``changes``: what of the record the hub writes over with the source's word when the customer is written next.
    """

    of: UnboundCustomer
    verdict: LinkVerdict
    record: ExistingRecord | None = None
    reasons: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def customer_links(customers: Sequence[UnboundCustomer], existing: Sequence[ExistingRecord]) -> list[AdoptionLink]:
    """Return for each customer the record it is, those it may be, or that there is none; in the order of the customers.

    A record that bears the customer's own key is it. One that bears a key of ours and of nobody here is somebody else's.
    """
    named = {key: record for record in existing for key in record.keys}
    free = {record.external_id: record for record in existing if not record.keys}
    references = {_source_id(one.customer) for one in customers}
    judgments = match(
        (_details(one.customer, _source_id(one.customer)) for one in customers if one.key not in named),
        (_details(one.customer, one.reference if one.reference in references else "") for one in free.values()),
    )
    pairs = _Pairs.of((one for one in judgments if one.verdict is not MatchVerdict.DIFFERENT), free)
    alike = _Alike.of(free.values())
    found: list[AdoptionLink] = []
    for one in customers:
        if one.key in named:
            found.append(_link(one, LinkVerdict.CERTAIN, named[one.key], ("it bears the customer's key already",)))
        else:
            found += pairs.links(one) or alike.links(one) or [AdoptionLink(one, LinkVerdict.MISSING)]
    return found


def told_of(customer: Customer) -> str:
    """Return the text of what of a customer a link rests on: who it is, and not its balance, which changes with every bill."""
    return canonical_text(replace(customer, id="", balance=None, currency="", locale=""))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The pairs that are or may be one customer, by both ends."""

    records: Mapping[str, ExistingRecord]
    by_customer: Mapping[str, Sequence[Judgment]]
    by_record: Mapping[str, Sequence[Judgment]]

    @classmethod
    def of(cls, judgments: Iterable[Judgment], records: Mapping[str, ExistingRecord]) -> _Pairs:
        """Return the pairs, the surest of each end first, as they were judged."""
        by_customer: defaultdict[str, list[Judgment]] = defaultdict(list)
        by_record: defaultdict[str, list[Judgment]] = defaultdict(list)
        for one in judgments:
            by_customer[one.left.id].append(one)
            by_record[one.right.id].append(one)
        return cls(records, by_customer, by_record)

    def links(self, one: UnboundCustomer) -> list[AdoptionLink]:
        """Return what a customer is or may be: one certain link, or all doubtful ones."""
        links = [self._judged(one, pair) for pair in self.by_customer.get(one.customer.id, ())]
        certain = [link for link in links if link.verdict is LinkVerdict.CERTAIN]
        return certain or links

    def _judged(self, one: UnboundCustomer, pair: Judgment) -> AdoptionLink:
        record = self.records[pair.right.id]
        against = [*_against(one, record), *self._rivals(pair, record)]
        is_certain = pair.verdict is MatchVerdict.SAME and not against
        verdict = LinkVerdict.CERTAIN if is_certain else LinkVerdict.DOUBTFUL
        return _link(one, verdict, record, (*against, *reasons_of(pair)))

    def _rivals(self, pair: Judgment, record: ExistingRecord) -> Iterator[str]:
        """Yield who else fits either end; a company's own contacts are no rivals of it."""
        others = [one.right.id for one in self.by_customer[pair.left.id] if one is not pair]
        if records := [id for id in others if self.records[id].part_of != record.external_id]:
            yield f"{_listed([record.external_id, *records])} all fit it: merge them in the target if they are one, or choose one"
        if customers := [one.left.id for one in self.by_record[pair.right.id] if one is not pair]:
            yield (
                f"{_listed([pair.left.id, *customers])} all fit {record.external_id}: say `counterfoil identity merge` if they are one,"
                " or choose one"
            )


@dataclass(frozen=True, slots=True)
class _Alike:
    """Records by what a person would look for first. What many share tells the matcher nothing, and in a short list nothing is rare: a
    second record would then be made of who is there already, so it is for people instead.
    """

    profiles: Mapping[str, tuple[Profile, ExistingRecord]]
    by_email: Mapping[str, Sequence[str]]
    by_name: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, records: Iterable[ExistingRecord]) -> _Alike:
        """Return records by e-mail address and by name."""
        profiles = {one.external_id: (profile_of(_details(one.customer, "")), one) for one in records}
        by_email: defaultdict[str, list[str]] = defaultdict(list)
        by_name: defaultdict[str, list[str]] = defaultdict(list)
        for id, (profile, _) in profiles.items():
            by_email[profile.email].append(id)
            by_name[profile.name].append(id)
        return cls(profiles, by_email, by_name)

    def links(self, one: UnboundCustomer) -> list[AdoptionLink]:
        """Return the records with a customer's e-mail address, and those with its name that say nothing else of it; none is certain."""
        mine = profile_of(_details(one.customer, ""))
        ids = dict.fromkeys((self.by_email.get(mine.email, ()) if mine.email else ()), "the e-mail address is the same")
        for id in self.by_name.get(mine.name, ()) if mine.name else ():
            if not _differ(mine, self.profiles[id][0]):
                ids.setdefault(id, "the name is the same, and nothing speaks against it")
        words = [f"{_listed(ids)} all fit it: merge them in the target if they are one, or choose one"] if len(ids) > 1 else []
        found = [(self.profiles[id][1], why) for id, why in list(ids.items())[:_ALIKE_MAX]]
        return [_link(one, LinkVerdict.DOUBTFUL, record, (*words, *_against(one, record), why)) for record, why in found]


def _differ(one: Profile, other: Profile) -> bool:
    """Tell whether two records of one name tell of two: another address for e-mail, tax id, country or postal code."""
    pairs = ((one.email, other.email), (one.country, other.country), (one.postal_code, other.postal_code))
    numbers = {number.key for number in one.tax}, {number.key for number in other.tax}
    return any(mine and theirs and mine != theirs for mine, theirs in pairs) or (all(numbers) and not numbers[0] & numbers[1])


def _against(one: UnboundCustomer, record: ExistingRecord) -> Iterator[str]:
    """Yield what of both ends forbids taking them for one without a person's look."""
    yield from record.doubts
    if record.barred:
        yield record.barred
    yield from _clash(one, record)


def _link(one: UnboundCustomer, verdict: LinkVerdict, record: ExistingRecord, reasons: tuple[str, ...]) -> AdoptionLink:
    return AdoptionLink(one, verdict, record, reasons, tuple(_changes(one.written or one.customer, record)))


def _clash(one: UnboundCustomer, record: ExistingRecord) -> Iterator[str]:
    """Yield that both have something open and no currency in common."""
    source, books = ({money.currency for money in side if money} for side in (one.open, record.open))
    if source and books and not source & books:
        yield f"the currencies differ: {', '.join(sorted(source))} is open at the source, {', '.join(sorted(books))} in the books"


def _changes(customer: Customer, existing: ExistingRecord) -> Iterator[str]:
    """Yield what the source tells otherwise; what it does not tell stays as it is."""
    record = existing.customer
    for name in ("name", "email", "phone"):
        told, kept = getattr(customer, name), getattr(record, name)
        if name == "name" and told in (customer.email, _source_id(customer)):
            continue  # it goes by these for want of a name, and no name gives way to them
        if told and told.strip() != kept.strip():
            yield f"{name}: {kept!r} becomes {told!r}" if kept else f"{name}: {told!r} is written"
    told_ids, kept_ids = _numbers(customer), _numbers(record)
    if told_ids and told_ids != kept_ids and "tax id" not in existing.keeps:
        yield f"tax id: {', '.join(sorted(kept_ids)) or 'none'} becomes {', '.join(sorted(told_ids))}"
    if customer.address != NOWHERE and _place(customer.address) != _place(record.address) and "address" not in existing.keeps:
        yield "address: the source's is written"
    if customer.locale and record.locale and _tongue(customer.locale) != _tongue(record.locale):
        yield f"language: {record.locale!r} becomes {customer.locale!r}"


def _tongue(locale: str) -> str:
    return locale.replace("-", "_").lower().partition("_")[0]


def _numbers(customer: Customer) -> set[str]:
    return {"".join(sign for sign in one.value if sign.isalnum()).upper() for one in customer.tax_ids if one.value}


def _place(address: Address) -> tuple[str, ...]:
    """Return an address as it compares; states are told by code or by name, and left out."""
    return tuple(part.strip() for part in (address.line1, address.line2, address.city, address.postal_code, address.country.upper()))


def _details(customer: Customer, reference: str) -> CustomerDetails:
    return replace(details_of(customer), external_ids=(("reference", reference),) if reference else ())


def _source_id(customer: Customer) -> str:
    return customer.id.partition(":")[2]


def _listed(ids: Collection[str]) -> str:
    return ", ".join(sorted(ids))
