"""Plans of adoption: their rows, and what each rests on, sealed. As files: ``adoption_file.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from counterfoil.core.identity.adopted_documents import DocumentLink, ExistingDocument, WishedDocument
from counterfoil.core.identity.adoption import AdoptionLink, ExistingRecord, LinkVerdict, told_of
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.language.ids import digest
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import SetupError

_PART = 16


@dataclass(frozen=True, slots=True)
class Adoption:
    """Who applies a plan, why, and which."""

    actor: str
    reason: str
    digest: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A customer, or a document the hub would post, and a record it is, or may be; ``external_id`` empty: none is like it.

    ``rests_on``: digests of what was known of both, and the seal of the row. ``at_source`` and ``in_books``: of a customer what is to be
    paid, of a document its total. ``answer``: a person's.
    """

    kind: str
    id: str
    verdict: LinkVerdict
    external_id: str
    rests_on: str
    name: str = ""
    record_name: str = ""
    entity: str = ""
    at_source: tuple[Money, ...] = ()
    in_books: tuple[Money, ...] = ()
    reasons: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    answer: str = ""

    @property
    def key(self) -> str:
        """The key of the thing: ``<kind>/<id>``."""
        return f"{self.kind}/{self.id}"

    @property
    def wanted(self) -> str:
        """The record it is to be bound to; empty: none. Raises SetupError: the answer is none that can be given here."""
        match self.answer.strip().lower():
            case "":
                return self.external_id if self.verdict is LinkVerdict.CERTAIN else ""
            case "no":
                return ""
            case "yes" if self.external_id:
                return self.external_id
            case _ if "/" in self.answer:
                return self.answer.strip()
        why = "" if self.external_id else " (yes is no answer where there is no record)"
        words = f"the answer {self.answer!r} to {self.key} is none: write yes, no, or the record it is{why}"
        raise refusal(words, code="adopt.answer")


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What of the customers not bound in a target is there already.

    ``bound``: customers that are bound; ``nobodys``: records that are no customer's, and ``nobodys_open`` what is open of them.
    ``written``: the entities whose books there are written to meanwhile, since they are not only observed.
    """

    connection: str
    rows: tuple[PlanRow, ...]
    bound: int
    nobodys: int
    nobodys_open: tuple[Money, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The plan's name: the same of the same rows."""
        return digest_of(self.rows)

    def of(self, verdict: LinkVerdict) -> list[PlanRow]:
        """Return the customers' rows of a verdict."""
        return [row for row in self.rows if row.verdict is verdict and row.kind == CUSTOMER.name]

    def documents(self) -> list[DocumentSum]:
        """Return what documents come to by kind, entity and currency: all the hub would post, and what of them is certain."""
        groups: dict[tuple[str, str, str], dict[str, list[PlanRow]]] = {}
        for row in self.rows:
            if row.kind != CUSTOMER.name:
                groups.setdefault((row.kind, row.entity, row.at_source[0].currency), {}).setdefault(row.id, []).append(row)
        return [_summed(group, [rows[0] for rows in by_id.values()]) for group, by_id in sorted(groups.items())]


@dataclass(frozen=True, slots=True)
class DocumentSum:
    """What the documents of a kind, entity and currency come to: how many are certain, doubtful and missing; totals in minor units."""

    kind: str
    entity: str
    currency: str
    certain: int
    doubtful: int
    missing: int
    at_source: Money
    in_books: Money

    @property
    def difference(self) -> Money:
        """What is at the source and not certainly in the books."""
        return self.at_source - self.in_books


def _summed(group: tuple[str, str, str], rows: Sequence[PlanRow]) -> DocumentSum:
    """Return what documents of a group come to, by a row of each: those with a certain one have no other."""
    kind, entity, currency = group
    count, zero = Counter(row.verdict for row in rows), Money(0, currency)
    source = sum((row.at_source[0] for row in rows), zero)
    books = sum((row.in_books[0] for row in rows if row.verdict is LinkVerdict.CERTAIN), zero)
    certain, doubtful, missing = (count[one] for one in (LinkVerdict.CERTAIN, LinkVerdict.DOUBTFUL, LinkVerdict.MISSING))
    return DocumentSum(kind, entity, currency, certain, doubtful, missing, source, books)


def digest_of(rows: Iterable[PlanRow]) -> str:
    """Return the name of a plan by its rows, whatever was answered."""
    return digest(*sorted(row.rests_on for row in rows))[:_PART]


def unanswered(rows: Iterable[PlanRow]) -> tuple[str, ...]:
    """Return the keys of what is doubtful and of which nobody answered any row: it is bound to nothing, and nobody said that it is new."""
    doubtful: dict[str, bool] = {}
    for row in rows:
        if row.verdict is LinkVerdict.DOUBTFUL:
            doubtful[row.key] = doubtful.get(row.key, False) or bool(row.answer.strip())
    return tuple(key for key, is_answered in doubtful.items() if not is_answered)


def sums_of(rows: Iterable[PlanRow]) -> tuple[int, tuple[Money, ...], tuple[Money, ...]]:
    """Return how many customers rows are about, and what is open of them at the sources and in the books; each thing counted once."""
    source, books = Counter[str](), Counter[str]()
    customers, records = set[str](), set[str]()
    for row in rows:
        for money in () if row.id in customers else row.at_source:
            source[money.currency] += money.minor
        for money in () if row.external_id in records else row.in_books:
            books[money.currency] += money.minor
        customers.add(row.id)
        records.add(row.external_id)
    return len(customers), _amounts(source), _amounts(books)


def _amounts(sums: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple(Money(minor, currency) for currency, minor in sorted(sums.items()) if minor)


def row_of(target: str, link: AdoptionLink) -> PlanRow:
    """Return a link as a row, with what it rests on."""
    record = link.record
    row = PlanRow(
        kind=CUSTOMER.name,
        id=link.of.customer.id,
        verdict=link.verdict,
        external_id="" if record is None else record.external_id,
        rests_on=f"{_part(link.of.customer)}-{'' if record is None else _part(record)}-",
        name=link.of.customer.name,
        record_name="" if record is None else record.customer.name,
        at_source=link.of.open,
        in_books=() if record is None else record.open,
        reasons=link.reasons,
        changes=link.changes,
    )
    return replace(row, rests_on=row.rests_on + seal_of(target, row))


def row_of_document(target: str, link: DocumentLink) -> PlanRow:
    """Return a document's link as a row, with what it rests on."""
    record = link.record
    row = PlanRow(
        kind=link.of.kind,
        id=link.of.id,
        verdict=link.verdict,
        external_id="" if record is None else record.external_id,
        rests_on=f"{_part(link.of)}-{'' if record is None else _part(record)}-",
        name=", ".join(link.of.numbers[:1]),
        record_name="" if record is None else record.name,
        entity=link.of.entity,
        at_source=(link.of.total,),
        in_books=() if record is None else (record.total,),
        reasons=link.reasons,
    )
    return replace(row, rests_on=row.rests_on + seal_of(target, row))


def seal_of(target: str, row: PlanRow) -> str:
    """Return the seal of a row: it is of this target, and neither end, verdict nor digest was changed."""
    return digest(target, row.kind, row.id, row.entity, row.verdict.value, row.external_id, row.rests_on.rpartition("-")[0])[:_PART]


def is_as_planned(row: PlanRow, end: Customer | ExistingRecord | WishedDocument | ExistingDocument) -> bool:
    """Tell whether what a row is about, or the record, is as it was when the row was planned."""
    of_it, of_record, _ = row.rests_on.split("-")
    return _part(end) == (of_record if isinstance(end, ExistingRecord | ExistingDocument) else of_it)


def _part(end: Customer | ExistingRecord | WishedDocument | ExistingDocument) -> str:
    match end:
        case Customer():
            told = [told_of(end)]
        case ExistingRecord():
            told = [told_of(end.customer), end.reference, end.part_of, *end.doubts, end.barred]
        case WishedDocument():  # whose record its customer is may be found out by the very plan
            told = [end.kind, end.id, end.entity, str(end.total), *map(str, end.days), *end.numbers]
        case ExistingDocument():
            told = [end.kind, end.entity, *end.whose, str(end.total), *map(str, end.days), end.name, *end.references]
            told += [str(end.is_reversed), str(end.is_draft)]
    return digest(*told)[:_PART]


def refusal(words: str, *, code: str) -> SetupError:
    """Return the refusal of a plan; nothing of it was done."""
    return SetupError(f"{words}. Nothing was done", code=code)
