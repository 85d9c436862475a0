"""A company to decide for: entities in the US, Germany and Japan, rules, and short ways to say facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.core.told import check_commands, check_types, told

from counterfoil.core.commands.books import Allocate, PostDocument, PostEntry, PostPayment, Unmatch
from counterfoil.core.facts.events import EVENT_VERSION, Event, ref_of
from counterfoil.core.finance.summary import SummaryDocument, SummaryItem
from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteState
from counterfoil.core.kinds.customer import Address, Customer
from counterfoil.core.kinds.invoice import Invoice, InvoiceEvent, InvoiceLine, InvoiceState, LineTax
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.kinds.product import Product
from counterfoil.core.kinds.refund import Refund, RefundState
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.language.settlement import Settlement
from counterfoil.core.policies.decide import decide, decided_after, decided_with
from counterfoil.core.policies.decision import Decision, MemoryView, Origin, OutboxCommand
from counterfoil.core.policies.related import affected, linked
from counterfoil.core.policies.rules import EntityRules, MappingKey, MappingKind, Route, Rules

US = EntityRules("US", "odoo", "USD", ZoneInfo("America/New_York"))
DE = EntityRules("DE", "odoo", "EUR", ZoneInfo("Europe/Berlin"))
JP = EntityRules("JP", "odoo", "JPY", ZoneInfo("Asia/Tokyo"))
TAXES = {
    MappingKey(MappingKind.TAX, "DE", "19|exclusive"): "VAT 19",
    MappingKey(MappingKind.TAX, "DE", "19|inclusive"): "VAT 19 incl",
    MappingKey(MappingKind.TAX, "US", "8.875|exclusive"): "NYC",
    MappingKey(MappingKind.TAX, "JP", "10|exclusive"): "JCT 10",
}
RULES = Rules(
    7,
    {"US": US, "DE": DE, "JP": JP},
    (Route("JP", "stripe_jp"), Route("DE", "stripe", currency="EUR"), Route("US", "stripe")),
    TAXES,
)


def at(text: str) -> datetime:
    """Return an instant of UTC, e.g. ``at("2026-03-10 12:00")``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = at("2026-03-10 12:00")


def usd(minor: int) -> Money:
    """Return cents of US dollars."""
    return Money(minor, "USD")


def eur(minor: int) -> Money:
    """Return cents of euros."""
    return Money(minor, "EUR")


def jpy(minor: int) -> Money:
    """Return yen."""
    return Money(minor, "JPY")


ANN = Customer("stripe:cus_A", "Ann Ltd", address=Address(country="US"))
PRO = Product("stripe:prod_pro", "Plan Pro", group="plans")


def line(amount: Money, *, discount: int = 0, taxes: Sequence[LineTax] = (), product: str = PRO.id, **more: object) -> InvoiceLine:
    """Return a line of the plan."""
    base = InvoiceLine("il_1", "Plan Pro", amount, Money(discount, amount.currency), Decimal(1), tuple(taxes), product)
    return replace(base, **more)  # type: ignore[arg-type]


def tax(amount: Money, taxable: Money, percentage: str, *, inclusive: bool = False, rate: str = "stripe:txr_1") -> LineTax:
    """Return a tax of a line."""
    return LineTax(rate, amount, taxable, inclusive, Decimal(percentage))


def invoice(total: Money, *lines: InvoiceLine, id: str = "stripe:in_1", tax: int = 0, **more: object) -> Invoice:
    """Return an issued invoice; without lines, of one line of its total."""
    base = Invoice(
        id,
        ANN.id,
        InvoiceState.ISSUED,
        total.currency,
        total,
        Money(tax, total.currency),
        lines or (line(total),),
        issued_at=NOON,
        amount_remaining=total,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def settled(amount: Money, *, fee: int = 0, fee_tax: int = 0, when: datetime = NOON, id: str = "stripe:txn_1") -> Settlement:
    """Return a movement on the processor's balance."""
    charged = Money(fee, amount.currency)
    return Settlement(id, amount, charged, amount - charged, when, fee_tax=Money(fee_tax, amount.currency) if fee_tax else None)


def payment(amount: Money, *applied: tuple[str, int], id: str = "stripe:ch_1", fee: int = 0, **more: object) -> Payment:
    """Return a succeeded payment settled in its own currency, applied to invoices by id and minor amount."""
    applications = tuple(Application(invoice_id, Money(minor, amount.currency)) for invoice_id, minor in applied)
    moved_at: datetime = more.get("occurred_at", NOON)  # type: ignore[assignment]
    settlement = settled(amount, fee=fee, id=id.replace("ch_", "txn_"), when=moved_at)
    base = Payment(id, ANN.id, PaymentState.SUCCEEDED, amount, NOON, applications, settlement)
    return replace(base, **more)  # type: ignore[arg-type]


def refund(amount: Money, *, id: str = "stripe:re_1", **more: object) -> Refund:
    """Return a succeeded refund of payment ch_1."""
    settlement = settled(-amount, id=id.replace("re_", "txn_re_"), when=at("2026-03-12 12:00"))
    base = Refund(id, "stripe:ch_1", RefundState.SUCCEEDED, amount, at("2026-03-12 12:00"), ANN.id, settlement=settlement)
    return replace(base, **more)  # type: ignore[arg-type]


def credit_note(total: Money, *lines: InvoiceLine, before: int = 0, id: str = "stripe:cn_1", tax: int = 0, **more: object) -> CreditNote:
    """Return an issued credit note of invoice in_1; what is not before payment is after it."""
    base = CreditNote(
        id,
        "stripe:in_1",
        ANN.id,
        CreditNoteState.ISSUED,
        total.currency,
        total,
        Money(tax, total.currency),
        lines or (line(total),),
        at("2026-03-11 12:00"),
        before_payment=Money(before, total.currency),
        after_payment=total - Money(before, total.currency),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def event_of(state: Record, connection: str = "stripe", account: str = "", *, when: datetime = NOON) -> Event:
    """Return an event that reports a state; deciding looks at the state, not at the type."""
    kind = InvoiceEvent.UPDATED
    return Event("evt_1", kind, EVENT_VERSION, connection, ref_of(state), when, when, 1, state, account)


@dataclass
class World:
    """What is known: objects, rules, and what was wished so far, by target and external key. ``decide`` adds to it as the hub does."""

    rules: Rules = RULES
    connection: str = "stripe"
    objects: dict[ObjectRef, Record] = field(default_factory=dict)
    origins: dict[ObjectRef, Origin] = field(default_factory=dict)
    wishes: dict[tuple[str, str], OutboxCommand] = field(default_factory=dict)
    items: dict[tuple[str, date, str, str], SummaryItem] = field(default_factory=dict)
    documents: dict[str, SummaryDocument] = field(default_factory=dict)
    sent: list[Command] = field(default_factory=list)

    def know(self, *states: Record) -> World:
        """Take in states as they are."""
        self.objects.update({ref_of(state): state for state in states})
        return self

    def view(self) -> MemoryView:
        """Return the view of now."""
        by_document: dict[str, tuple[SummaryItem, ...]] = {}
        for item in self.items.values():
            by_document[item.document_id] = (*by_document.get(item.document_id, ()), item)
        wishes: dict[str, dict[str, OutboxCommand]] = {}
        for (target, key), wish in self.wishes.items():
            wishes.setdefault(key, {})[target] = wish
        affecting: dict[ObjectRef, tuple[Record, ...]] = {}
        for ref in sorted(self.objects):
            for other in affected(self.objects[ref]):
                affecting[other] = (*affecting.get(other, ()), self.objects[ref])
        found, kept = linked(self.objects), dict(self.documents)
        return MemoryView(dict(self.objects), dict(self.origins), wishes, by_document, documents=kept, links=found, affecting=affecting)

    def take(self, *states: Record) -> None:
        """Take in states one after the other and decide each as the hub does, with all that is decided again with it."""
        for state in states:
            self.know(state)
            self.decide_all([ref_of(state), *(ref for ref in decided_with([state], self.rules.purposes()) if ref in self.objects)])

    def decide_all(self, refs: Iterable[ObjectRef]) -> list[tuple[ObjectRef, Decision]]:
        """Decide known objects, and again what follows them; return the decisions in their order."""
        agenda, found = list(refs), []
        while agenda:
            ref = agenda.pop(0)
            found.append((ref, self.redecide(self.objects[ref])))
            after = decided_after(self.view(), self.objects[ref])
            agenda += [other for other in after if other in self.objects and other not in agenda]
        return found

    def decide(self, state: Record, *, when: datetime = NOON) -> Decision:
        """Take in a state, told at an instant, and decide it; commands and items are kept, each once."""
        self.know(state)
        return self.redecide(state, when=when)

    def redecide(self, state: Record, *, when: datetime = NOON) -> Decision:
        """Decide a state that is known already."""
        decision = decide(event_of(state, self.connection, when=when), self.view(), self.rules)
        check_types(decision, Decision, "decision")
        check_commands(decision.commands)
        known = {command.id for command in self.sent}
        self.sent.extend(command for command in decision.commands if command.id not in known)
        self.wishes.update({(command.target, command.external_key): OutboxCommand(command) for command in decision.commands})
        self.sum_up(decision)
        return decision

    def sum_up(self, decision: Decision) -> None:
        """Keep what a decision sums up, each document once."""
        new = {document.document_id: document for document in decision.documents}
        assert not new.keys() & self.documents.keys(), f"summed up twice: {sorted(new.keys() & self.documents.keys())}"
        self.documents.update(new)
        for item in decision.summary:
            if item.document_id in new:
                self.items.setdefault((item.entity, item.day, item.currency, item.key), item)  # the table's key

    def tell(self, state: Record, *, when: datetime = NOON) -> str:
        """Decide a state and tell the whole decision; of what was wished before only that it still is."""
        sent = {command.id for command in self.sent}
        return told(self.decide(state, when=when), sent)


def world(*states: Record, rules: Rules = RULES, connection: str = "stripe") -> World:
    """Return a world that knows the customer, the product and these states."""
    return World(rules, connection).know(ANN, PRO, *states)


def with_entity(rules: Rules, name: str, **changes: object) -> Rules:
    """Return rules with one entity changed."""
    entities = dict(rules.entities)
    entities[name] = replace(entities[name], **changes)  # type: ignore[arg-type]
    return replace(rules, entities=entities)


def text_of(command: Command) -> str:
    """Return a command in one line, the way an accountant would write it."""
    head = f"{command.kind.value} {command.external_key}"
    match command.arguments:
        case PostDocument() as document:
            return f"{head} {document.accounting_on} {document.total}" + (f" reverses {document.reverses}" if document.reverses else "")
        case PostPayment() as booked:
            way = "in" if booked.is_inbound else "out"
            tail = f" settled {booked.settled}" if booked.settled else ""
            return f"{head} {booked.paid_on} {way} {booked.amount} via {booked.counterpart}{tail}"
        case PostEntry() as entry:
            return f"{head} {entry.accounting_on} " + ", ".join(f"{line.account} {line.amount}" for line in entry.lines)
        case Allocate() as match:
            return f"allocate {match.debit} {match.credit} {match.amount}"
        case Unmatch() as match:
            return f"unmatch {match.debit} {match.credit}"
        case _:
            return head


def texts(commands: Iterable[Command]) -> list[str]:
    """Return commands as lines of text."""
    return [text_of(command) for command in commands]
