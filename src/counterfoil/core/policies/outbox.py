"""From what a policy asks for to a command: keep an earlier one, move or park what is locked, sum up what is only booked by day."""

from __future__ import annotations

from dataclasses import dataclass

from counterfoil.core.commands import purpose_of
from counterfoil.core.commands.books import Allocate, PostDocument, PostEntry, PostPayment, Unmatch, UpsertCustomer, UpsertProduct
from counterfoil.core.finance.invariants import check_arguments
from counterfoil.core.finance.summary import SummaryDocument, SummaryItem, bare, items_of
from counterfoil.core.language.commands import Arguments, Command
from counterfoil.core.language.ids import digest, external_key
from counterfoil.core.language.records import KindError
from counterfoil.core.language.text import canonical_text

from . import refusals
from .decision import OutboxCommand, View
from .findings import Findings
from .looping import in_a_loop
from .past import Past
from .requests import Booking, BookingRequest, DisplayRequest, booked_on, owed, says_the_same
from .rules import PostingMode, Rules
from .unlocked import open_booking


@dataclass(frozen=True, slots=True)
class Outbox:
    """Makes the commands of one decision, in view of those wished before."""

    rules: Rules
    past: Past
    findings: Findings

    @property
    def view(self) -> View:
        """What was wished and summed up before."""
        return self.past.view

    def wish(self, request: BookingRequest, mode: PostingMode | None = None) -> None:
        """Wish one command: keep an earlier wish, move or park what is locked, sum up what the entity only books by day.

        A source that changed after its document was wished is an amount mismatch, never a second document. ``mode`` overrides the
        entity's posting mode (the daily entry itself is posted as it is).
        """
        check_arguments(request.kind, request.arguments)
        key = external_key(request.name, request.object_id)
        earlier, arguments = self._earlier(request, key), request.arguments
        if isinstance(arguments, PostDocument | PostPayment | PostEntry):
            self._book(request, key, arguments, earlier, mode)
        elif earlier is not None and isinstance(arguments, Allocate | Unmatch) and not earlier.is_open:
            self.findings.add(earlier.command)
        else:
            self._add(request, key, arguments, earlier)

    def show(self, request: DisplayRequest) -> None:
        """Wish that a destination in which no books are kept shows what is said now: what was wished of it before gives way if it differs.

        Raises:
            KindError: the connection is no destination of this purpose.
        """
        if request.connection not in self.rules.destinations_of(self.past.purpose, request.legal_entity):
            of = request.legal_entity or "the company"
            raise KindError(f"{request.connection} is no destination of {self.past.purpose.value} for {of}")
        check_arguments(request.kind, request.arguments)
        key = external_key(request.name, request.object_id)
        self._add(request, key, request.arguments, self.view.wished(key, request.connection))

    def keep(self, name: str, object_id: str, target: str) -> bool:
        """Go on wishing what was wished of a target under this name and id, as it was; False if nothing was."""
        earlier = self.view.wished(external_key(name, object_id), target)
        if earlier is None:
            return False
        self.findings.add(earlier.command)
        return True

    def withdraw(self, name: str, object_id: str) -> None:
        """Say that what was wished under this name and id, if it took no effect yet, is not wished any more."""
        wishes = self.view.wished_for(self.past.purpose, external_key(name, object_id))
        if all(wish.is_open for wish in wishes):
            for wish in wishes:
                self.findings.withdraw(wish.command.target, wish.command.external_key)

    def _earlier(self, request: BookingRequest, key: str) -> OutboxCommand | None:
        """Return what was wished under a key before: of master data in the same target; a document stays in the books it once went to."""
        earlier = self.view.wished(key, request.entity.target)
        if earlier is not None or isinstance(request.arguments, UpsertCustomer | UpsertProduct):
            return earlier
        elsewhere = self.past.wished(key)
        return None if elsewhere is None or elsewhere.is_open else elsewhere

    def _book(self, request: BookingRequest, key: str, arguments: Booking, earlier: OutboxCommand | None, mode: PostingMode | None) -> None:
        kept = self.view.summarized(key)
        if earlier is not None and not earlier.is_open:
            self._keep(request, earlier.command)
        elif kept:
            self._keep_summed_up(request, key, kept)
        elif (mode or request.entity.mode_on(booked_on(arguments))) is PostingMode.SUMMARY:
            items = items_of(request.entity.name, key, booked_on(arguments), request.kind, arguments)
            booked = bare(arguments) if isinstance(arguments, PostDocument) else None
            self.findings.sum_up(items, SummaryDocument(key, request.content, booked))
        else:
            moved = open_booking(request.entity, key, arguments, self.findings)
            if moved is not None:
                self._add(request, key, moved, earlier)

    def _add(self, request: BookingRequest | DisplayRequest, key: str, arguments: Arguments, earlier: OutboxCommand | None) -> None:
        """Add a command, or keep the earlier one if it says the same.

        Raises:
            KindError: the kind of command is another purpose's, which this one's destinations need not take.
        """
        if purpose_of(request.kind) is not self.past.purpose:
            raise KindError(f"{request.kind.value} is no command of {self.past.purpose.value}")
        arguments = self._out_of_loops(request, key, arguments)
        needs = tuple(dict.fromkeys(request.needs))
        if earlier is not None and says_the_same(earlier, request, arguments, needs) and not self._is_set_free(earlier, request):
            self.findings.add(earlier.command)
            return
        command = Command(
            id=self._id_of(request, key, earlier),
            kind=request.kind,
            target=request.connection,
            entity=request.legal_entity,
            subject=self.findings.subject,
            external_key=key,
            arguments=arguments,
            needs=needs,
            produces=request.produces,
            order_key=request.order_key,
            lane=request.lane,
            rules_version=self.rules.version,
            content=request.content,
        )
        self.findings.add(command)

    def _out_of_loops(self, request: BookingRequest | DisplayRequest, key: str, arguments: Arguments) -> Arguments:
        """Return what is written of what is called for: a field that goes round in a loop stays as it was written last."""
        again = self.view.written_again(key, request.connection)
        if again is None:
            return arguments
        held = [loop for loop in again.loops if loop.is_held(self.findings.instant, self.rules.loops)]
        for loop in held:
            self.findings.problem(in_a_loop(self.findings.subject, loop))
        called_for = arguments.watched
        let_go = [loop for loop in again.loops if loop not in held and called_for[loop.field] in loop.let_go()]
        fields = [loop.field for loop in (*held, *let_go)]
        return arguments.keeping(again.arguments, fields) if fields else arguments

    def _is_set_free(self, earlier: OutboxCommand, request: BookingRequest | DisplayRequest) -> bool:
        """Tell whether an open wish is held with an entity that is only observed, and would be another's that is not."""
        held, wished = (self.rules.observed(request.connection).holds(name) for name in (earlier.command.entity, request.legal_entity))
        return earlier.is_open and held and not wished

    def _id_of(self, request: BookingRequest | DisplayRequest, key: str, earlier: OutboxCommand | None) -> str:
        """Return the id of a new command.

        It derives from what was asked for before any move out of a locked period. That of one that replaces an earlier wish, or one that
        was canceled, derives from that, too: so it is new even if it goes back to what was wished before (master data that changes back, a
        mapping that is restored).
        """
        text = canonical_text(request.arguments)
        id = digest(request.kind.value, request.connection, key, text, earlier.command.id if earlier is not None else "")
        while self.view.was_canceled(id):
            id = digest(request.kind.value, request.connection, key, text, id)
        return id

    def _keep(self, request: BookingRequest, earlier: Command) -> None:
        if not earlier.content or not request.content or earlier.content == request.content:
            self.findings.add(earlier)
        else:
            self._changed(request, f"{earlier.external_key} had been sent to {earlier.target}", earlier.entity)

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
            self.findings.sum_up(kept)

    def _changed(self, request: BookingRequest, booked: str, entity: str) -> None:
        self.findings.problem(refusals.changed_after_posting(self.findings.subject, booked, entity, request.arguments.money))
