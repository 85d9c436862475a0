"""A decision in the making: routing, wishing (ids, locks, posting mode, changed sources), waiting: the same for every policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from counterfoil.core.commands import purpose_of
from counterfoil.core.commands.books import (
    Allocate,
    PostDocument,
    PostEntry,
    PostPayment,
    Unmatch,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.facts.events import Event
from counterfoil.core.finance.dates import accounting_date, first_open_day
from counterfoil.core.finance.invariants import check_arguments
from counterfoil.core.finance.summary import SummaryDocument, SummaryItem, bare, document_of, items_of
from counterfoil.core.identity.merges import chain
from counterfoil.core.kinds import total_of
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.language.commands import Arguments, Command
from counterfoil.core.language.ids import ObjectRef, digest, external_key
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import KindError, Purpose
from counterfoil.core.language.text import canonical_text

from . import refusals
from .decision import Decision, Origin, OutboxCommand, Problem, View
from .requests import BOOKED_AS, BookedPlace, Booking, BookingRequest, DisplayRequest, booked_on, is_taxed, moved_to, owed, says_the_same
from .rules import EntityRules, LockedPeriodPolicy, PostingMode, Rules

__all__ = ["BookedPlace", "Booking", "BookingRequest", "DisplayRequest", "Draft", "booked_on"]


@dataclass(slots=True)
class Draft:
    """Collects what one decision wishes, waits for and cannot do for one purpose. Policies write into it; ``decision`` closes it."""

    event: Event
    view: View
    rules: Rules
    purpose: Purpose = Purpose.BOOKS
    _commands: dict[str, Command] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    _waits: dict[ObjectRef, None] = field(default_factory=dict)
    _problems: list[Problem] = field(default_factory=list)
    _summary: list[SummaryItem] = field(default_factory=list)
    _documents: list[SummaryDocument] = field(default_factory=list)
    _withdrawn: dict[tuple[str, str], None] = field(default_factory=dict)
    _ignored: str = ""
    _is_of_nothing: bool = False
    _again_at: datetime | None = None

    def decision(self) -> Decision:
        """Return what was collected."""
        has_more = self._commands or self._waits or self._problems or self._summary
        if self._is_of_nothing and not has_more:
            self.ignore(f"{self.event.subject.kind}_moved_no_money")
        wished = {(command.target, command.external_key) for command in self._commands.values()} if self._withdrawn else set()
        return Decision(
            commands=tuple(self._commands.values()),
            waits=tuple(self._waits),
            problems=tuple(self._problems),
            ignored=self._ignored,
            summary=tuple(self._summary),
            documents=tuple(self._documents),
            withdrawn=tuple(one for one in self._withdrawn if one not in wished),
            held=(self.purpose,) if self._waits or self._problems else (),
            again_at=self._again_at,
        )

    @property
    def instant(self) -> datetime:
        """The instant of deciding."""
        return self.event.received_at

    def decide_again(self, at: datetime) -> None:
        """Have the subject decided again at an instant: of several the earliest counts, and one that has come calls for nothing more."""
        if at > self.instant:
            self._again_at = min(at, self._again_at or at)

    def ignore(self, rule: str) -> None:
        """Say by which rule the fact has no counterpart."""
        self._ignored = rule

    def is_nothing(self, name: str, object_id: str, money: Money | Sequence[object]) -> bool:
        """Tell whether no money is to be booked under this name and id, and none was: that alone is the rule by which a fact has no
        counterpart.
        """
        is_nothing = not money and self.place(object_id, name) is None
        self._is_of_nothing = self._is_of_nothing or is_nothing
        return is_nothing

    def wait_for(self, kind: str, object_id: str) -> None:
        """Wait for an object to arrive."""
        self._waits.setdefault(ObjectRef(kind, object_id))

    def wait_if_missing(self, ref: ObjectRef) -> None:
        """Wait for an object unless the view has it."""
        if self.view.get(ref) is None:
            self._waits.setdefault(ref)

    @property
    def has_problems(self) -> bool:
        """Whether a problem was added."""
        return bool(self._problems)

    def wait_for_self(self) -> None:
        """Wait for a later state of the subject itself, e.g. for its settlement."""
        self._waits.setdefault(self.event.subject)

    def problem(self, problem: Problem) -> None:
        """Add a problem, once. What stands still with a bill is all of it, not only the line or tax that is in the way."""
        state = self.view.get(self.event.subject) or self.event.data
        if isinstance(state, Invoice | CreditNote):
            problem = replace(problem, money=state.total)
        if problem not in self._problems:
            self._problems.append(problem)

    def origin_of(self, ref: ObjectRef) -> Origin:
        """Return where an object's state was reported; as the event itself unless the view knows better."""
        return self.view.origin(ref) or Origin(self.event.connection, self.event.account)

    def wished(self, key: str) -> OutboxCommand | None:
        """Return what was wished for this purpose under an external key, wherever: what may have taken effect before what did not."""
        found = self.view.wished_for(self.purpose, key)
        return found[0] if found else None

    def _booked(self, key: str) -> OutboxCommand | None:
        """Return the same of the books, whatever is decided here."""
        found = self.view.wished_for(Purpose.BOOKS, key)
        return found[0] if found else None

    def booked(self, name: str, object_id: str) -> Command | None:
        """Return the command that booked something under this name and id, if it may have taken effect: it stays as it was booked."""
        earlier = self._booked(external_key(name, object_id))
        return earlier.command if earlier is not None and not earlier.is_open else None

    def booked_arguments(self, name: str, object_id: str) -> Arguments | None:
        """Return what was booked under this name and id; None if nothing was (or only summed up with its day): see ``booked``."""
        command = self.booked(name, object_id)
        return command.arguments if command is not None else None

    def summed_up_document(self, name: str, object_id: str) -> PostDocument | None:
        """Return the invoice or credit note that was summed up under this name and id, as far as it was kept; None if none was."""
        key = external_key(name, object_id)
        kept, items = self.view.summary_document(key), self.view.summarized(key)
        if kept is not None and kept.booked is not None:
            return kept.booked
        return document_of(items, is_credit_note=name == "credit_note") if items else None

    def place(self, object_id: str, *names: str) -> BookedPlace | None:
        """Return where the first of these was booked, as a document or within a day; None if nothing of it was."""
        for name in names:
            command = self.booked(name, object_id)
            if command is not None:
                return BookedPlace(command.entity, PostingMode.DETAILED)
            items = self.view.summarized(external_key(name, object_id))
            if items:
                return BookedPlace(items[0].entity, PostingMode.SUMMARY)
        return None

    def mode_of(self, name: str, object_id: str) -> PostingMode | None:
        """Return whether something is a document or summed up with its day, by this decision or an earlier one; None if it is neither."""
        key = external_key(name, object_id)
        if key in self._keys:
            return PostingMode.DETAILED
        if any(item.document_id == key for item in self._summary):
            return PostingMode.SUMMARY
        if self._booked(key) is not None:
            return PostingMode.DETAILED
        return PostingMode.SUMMARY if self.view.summarized(key) else None

    def following(self, entity: EntityRules, *refs: ObjectRef) -> EntityRules:
        """Return the entity as it books what follows these: as documents if one of them is a document, else by day if one is summed up."""
        modes = {self.mode_of(BOOKED_AS[ref.kind][0], ref.id) for ref in refs}
        mode = next((mode for mode in (PostingMode.DETAILED, PostingMode.SUMMARY) if mode in modes), None)
        return entity if mode is None else entity.booking_in(mode)

    def find_route(self, ref: ObjectRef, country: str = "", currency: str = "") -> EntityRules | None:
        """Return the entity an object belongs to, or None, without a problem: the one it was booked in, before any route."""
        place = self.place(ref.id, *BOOKED_AS.get(ref.kind, ()))
        if place is not None:
            return self._entity_at(place)
        origin = self.origin_of(ref)
        entity = self.rules.route(origin.connection, origin.account, country, currency)
        wish = next((self._booked(external_key(name, ref.id)) for name in BOOKED_AS.get(ref.kind, ())[:1]), None)
        is_waiting = entity is not None and wish is not None and wish.command.entity == entity.name
        return entity.booking_in(PostingMode.DETAILED) if entity is not None and is_waiting else entity

    def _entity_at(self, place: BookedPlace) -> EntityRules | None:
        entity = self.rules.entities.get(place.entity)
        return None if entity is None else entity.booking_in(place.mode)

    def route(self, ref: ObjectRef, country: str = "", currency: str = "", money: Money | None = None) -> EntityRules | None:
        """Return the entity an object belongs to; adds a problem and returns None if it is declared no longer, or no route matches."""
        entity = self.find_route(ref, country, currency)
        if entity is None:
            place = self.place(ref.id, *BOOKED_AS.get(ref.kind, ()))
            self.problem(
                refusals.entity_gone(ref, place.entity, money)
                if place
                else refusals.no_route(ref, self.origin_of(ref), (country, currency), money)
            )
        return entity

    def declared(self, place: BookedPlace, ref: ObjectRef, money: Money | None = None) -> EntityRules | None:
        """Return the entity where ``ref`` or what it follows was booked; adds a problem if it is declared no longer."""
        entity = self._entity_at(place)
        if entity is None:
            self.problem(refusals.entity_gone(ref, place.entity, money))
        return entity

    def customer(self, customer_id: str) -> Customer | None:
        """Return the customer that survived all merges, or None and wait for it; adds a problem if merges lead in a circle."""
        if not customer_id:
            return None
        merges = chain(customer_id, self._merged_into)
        if merges.is_circle:
            self._merged_in_a_circle(merges.ids)
            return None
        found = self.view.get(CUSTOMER.ref(merges.survivor))
        if not isinstance(found, Customer):
            self.wait_for(CUSTOMER.name, merges.survivor)
            return None
        return found

    def _merged_into(self, customer_id: str) -> str:
        found = self.view.get(CUSTOMER.ref(customer_id))
        return found.merged_into if isinstance(found, Customer) else ""

    def _merged_in_a_circle(self, circle: Sequence[str]) -> None:
        """Add the problem of a circle of merges, and wait for a new state of any of its customers."""
        state = self.view.get(self.event.subject) or self.event.data
        self.problem(refusals.merged_in_a_circle(circle, total_of(state)))
        for customer_id in circle:
            self.wait_for(CUSTOMER.name, customer_id)

    def survivor(self, customer_id: str) -> str:
        """Return the id of the customer that survived all merges as far as they are known; waits for a customer that is not known."""
        found = self.customer(customer_id)
        return found.id if found else customer_id

    def day(self, entity: EntityRules, instant: datetime) -> date:
        """Return the accounting date of an instant before any lock."""
        return accounting_date(instant, entity.time_zone)

    def has_wished(self, name: str, object_id: str) -> bool:
        """Tell whether a command was wished under this name and id, in this decision or before."""
        key = external_key(name, object_id)
        return key in self._keys or self.wished(key) is not None

    def may_have_acted(self, name: str, object_id: str) -> bool:
        """Tell whether a command was wished under this name and id and may have taken effect, or is wished in this very decision."""
        key = external_key(name, object_id)
        if key in self._keys:
            return True
        earlier = self.wished(key)
        return earlier is not None and not earlier.is_open

    def keep(self, name: str, object_id: str, target: str) -> bool:
        """Go on wishing what was wished of a target under this name and id, as it was; False if nothing was."""
        earlier = self.view.wished(external_key(name, object_id), target)
        if earlier is None:
            return False
        self._put(earlier.command)
        return True

    def withdraw(self, name: str, object_id: str) -> None:
        """Say that what was wished under this name and id, if it took no effect yet, is not wished any more."""
        wishes = self.view.wished_for(self.purpose, external_key(name, object_id))
        if all(wish.is_open for wish in wishes):
            self._withdrawn.update(dict.fromkeys((wish.command.target, wish.command.external_key) for wish in wishes))

    def destinations(self, entity: str = "") -> tuple[str, ...]:
        """Return where this purpose goes for a legal entity, or the whole company; without any, that is the rule a fact is ignored by."""
        found = self.rules.destinations_of(self.purpose, entity)
        if not found:
            self.ignore(f"{self.purpose.value}_has_no_destination")
        return found

    def show(self, request: DisplayRequest) -> None:
        """Wish that a destination in which no books are kept shows what is told now: what was wished of it before gives way if it differs.

        Raises:
            KindError: the connection is no destination of this purpose.
        """
        if request.connection not in self.rules.destinations_of(self.purpose, request.legal_entity):
            raise KindError(f"{request.connection} is no destination of {self.purpose.value} for {request.legal_entity or 'the company'}")
        check_arguments(request.kind, request.arguments)
        key = external_key(request.name, request.object_id)
        self._add(request, key, request.arguments, self.view.wished(key, request.connection))

    def wish(self, request: BookingRequest, mode: PostingMode | None = None) -> None:
        """Wish one command: keep an earlier wish, move or park what is locked, sum up what the entity only books by day.

        A source that changed after its document was wished is an amount mismatch, never a second document. ``mode`` overrides the
        entity's posting mode (the daily entry itself is posted as it is).
        """
        check_arguments(request.kind, request.arguments)
        key = external_key(request.name, request.object_id)
        earlier = self._earlier(request, key)
        arguments = request.arguments
        if isinstance(arguments, PostDocument | PostPayment | PostEntry):
            if earlier is not None and not earlier.is_open:
                self._keep(request, earlier.command)
                return
            kept = self.view.summarized(key)
            if kept:
                self._keep_summed_up(request, key, kept)
                return
            if (mode or request.entity.mode_on(booked_on(arguments))) is PostingMode.SUMMARY:
                self._sum_up(request, key, arguments)
                return
            moved = self._open_day(request.entity, key, arguments)
            if moved is not None:
                self._add(request, key, moved, earlier)
        elif earlier is not None and isinstance(arguments, Allocate | Unmatch) and not earlier.is_open:
            self._put(earlier.command)
        else:
            self._add(request, key, arguments, earlier)

    def _put(self, command: Command) -> None:
        self._commands[command.id] = command
        self._keys.add(command.external_key)

    def _earlier(self, request: BookingRequest, key: str) -> OutboxCommand | None:
        """Return what was wished under a key before: of master data in the same target; a document stays in the books it once went to."""
        earlier = self.view.wished(key, request.entity.target)
        if earlier is not None or isinstance(request.arguments, UpsertCustomer | UpsertProduct):
            return earlier
        elsewhere = self.wished(key)
        return None if elsewhere is None or elsewhere.is_open else elsewhere

    def _add(self, request: BookingRequest | DisplayRequest, key: str, arguments: Arguments, earlier: OutboxCommand | None) -> None:
        """Add a command, or keep the earlier one if it says the same.

        Its id derives from what was wanted before any move out of a locked period. One that replaces an earlier wish, or one that was
        canceled, derives from that, too: so it is new even if it goes back to what was wished before (master data that changes back, a
        mapping that is restored).

        Raises:
            KindError: the kind of command is another purpose's, which this one's destinations need not take.
        """
        if purpose_of(request.kind) is not self.purpose:
            raise KindError(f"{request.kind.value} is no command of {self.purpose.value}")
        needs = tuple(dict.fromkeys(request.needs))
        if earlier is not None and says_the_same(earlier, request, arguments, needs):
            self._put(earlier.command)
            return
        text = canonical_text(request.arguments)
        id = digest(request.kind.value, request.connection, key, text, earlier.command.id if earlier is not None else "")
        while self.view.was_canceled(id):
            id = digest(request.kind.value, request.connection, key, text, id)
        command = Command(
            id=id,
            kind=request.kind,
            target=request.connection,
            entity=request.legal_entity,
            subject=self.event.subject,
            external_key=key,
            arguments=arguments,
            needs=needs,
            produces=request.produces,
            order_key=request.order_key,
            lane=request.lane,
            rules_version=self.rules.version,
            content=request.content,
        )
        self._put(command)

    def _keep(self, request: BookingRequest, earlier: Command) -> None:
        if not earlier.content or not request.content or earlier.content == request.content:
            self._put(earlier)
        else:
            self._changed(request, f"{earlier.external_key} had been sent to {earlier.target}", earlier.entity)

    def _sum_up(self, request: BookingRequest, key: str, arguments: Booking) -> None:
        self._summary.extend(items_of(request.entity.name, key, booked_on(arguments), request.kind, arguments))
        self._documents.append(SummaryDocument(key, request.content, bare(arguments) if isinstance(arguments, PostDocument) else None))

    def _keep_summed_up(self, request: BookingRequest, key: str, kept: tuple[SummaryItem, ...]) -> None:
        """Keep a document in the day it was summed up in; where no content was kept, what it leaves the customer owing tells a change."""
        first, document = kept[0], self.view.summary_document(key)
        if document is not None and document.content:
            is_changed = request.content not in ("", document.content)
        else:
            made = items_of(request.entity.name, key, first.day, request.kind, request.arguments)
            is_changed = bool(request.content) and owed(made) != owed(kept)
        if is_changed:
            self._changed(request, f"{key} had been summed up with {first.day} in the books of {first.entity}", first.entity)
        else:
            self._summary.extend(kept)

    def _changed(self, request: BookingRequest, booked: str, entity: str) -> None:
        self.problem(refusals.changed_after_posting(self.event.subject, booked, entity, request.arguments.money))

    def _open_day(self, entity: EntityRules, key: str, arguments: Booking) -> Booking | None:
        day = booked_on(arguments)
        locked_until = entity.last_locked_day(is_document=isinstance(arguments, PostDocument), is_taxed=is_taxed(arguments))
        open_day = first_open_day(day, locked_until)
        if open_day == day:
            return arguments
        if entity.locked_period_policy is LockedPeriodPolicy.FIRST_OPEN_DAY:
            return moved_to(arguments, open_day)
        self.problem(refusals.period_locked(key, day, entity, locked_until, arguments.money))
        return None
