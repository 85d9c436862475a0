"""Whose a thing is and where it goes: by where it was booked, else by the routes and destinations people declare."""

from __future__ import annotations

from dataclasses import dataclass

from counterfoil.core.facts.events import Event
from counterfoil.core.language.ids import ObjectRef, external_key
from counterfoil.core.language.money import Money

from . import refusals
from .decision import Origin
from .findings import Findings
from .past import Past
from .requests import BOOKED_AS, BookedPlace
from .rules import EntityRules, PostingMode, Rules


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of one decision. What none leads anywhere is a problem among its findings."""

    event: Event
    rules: Rules
    past: Past
    findings: Findings

    def origin_of(self, ref: ObjectRef) -> Origin:
        """Return where an object's state was reported; as the event itself unless the view knows better."""
        return self.past.view.origin(ref) or Origin(self.event.connection, self.event.account)

    def find(self, ref: ObjectRef, country: str = "", currency: str = "") -> EntityRules | None:
        """Return the entity an object belongs to, or None, without a problem: the one it was booked in, before any route."""
        place = self.past.place(ref.id, *BOOKED_AS.get(ref.kind, ()))
        if place is not None:
            return self._at(place)
        origin = self.origin_of(ref)
        entity = self.rules.route(origin.connection, origin.account, country, currency)
        wish = next((self.past.booking(external_key(name, ref.id)) for name in BOOKED_AS.get(ref.kind, ())[:1]), None)
        is_waiting = entity is not None and wish is not None and wish.command.entity == entity.name
        return entity.booking_in(PostingMode.DETAILED) if entity is not None and is_waiting else entity

    def route(self, ref: ObjectRef, country: str = "", currency: str = "", money: Money | None = None) -> EntityRules | None:
        """Return the entity an object belongs to; adds a problem and returns None if it is declared no longer, or no route matches."""
        entity = self.find(ref, country, currency)
        if entity is None:
            place = self.past.place(ref.id, *BOOKED_AS.get(ref.kind, ()))
            self.findings.problem(
                refusals.entity_gone(ref, place.entity, money)
                if place
                else refusals.no_route(ref, self.origin_of(ref), (country, currency), money)
            )
        return entity

    def declared(self, place: BookedPlace, ref: ObjectRef, money: Money | None = None) -> EntityRules | None:
        """Return the entity where ``ref`` or what it follows was booked; adds a problem if it is declared no longer."""
        entity = self._at(place)
        if entity is None:
            self.findings.problem(refusals.entity_gone(ref, place.entity, money))
        return entity

    def following(self, entity: EntityRules, *refs: ObjectRef) -> EntityRules:
        """Return the entity as it books what follows these: as documents if one of them is a document, else by day if one is summed up."""
        modes = {self.past.mode_of(BOOKED_AS[ref.kind][0], ref.id) for ref in refs}
        mode = next((mode for mode in (PostingMode.DETAILED, PostingMode.SUMMARY) if mode in modes), None)
        return entity if mode is None else entity.booking_in(mode)

    def destinations(self, entity: str = "") -> tuple[str, ...]:
        """Return where the purpose goes for a legal entity, or the whole company; without any, that is the rule a fact is ignored by."""
        purpose = self.past.purpose
        found = self.rules.destinations_of(purpose, entity)
        if not found:
            self.findings.ignore(f"{purpose.value}_has_no_destination")
        return found

    def _at(self, place: BookedPlace) -> EntityRules | None:
        entity = self.rules.entities.get(place.entity)
        return None if entity is None else entity.booking_in(place.mode)
