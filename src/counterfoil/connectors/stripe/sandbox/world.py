"""The state of the simulator: accounts, their tables of plain objects, time, and what belongs to the request being served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import Any

from . import errors
from .forms import Obj
from .ids import Ids, kind_of
from .timeline import DAY, HOUR, Timeline

LATEST = "2026-10-28.endive"


@dataclass
class Terms:
    """What an account pays and when it is paid; all of it can be set through the control interface.

    Amounts are minor units; percentages decimal strings. ``dunning_end``: cancel, unpaid or past_due, for the subscription after the last
    retry. ``payout_interval``: daily or manual. ``is_capture_async``: ``charge.succeeded`` comes without a balance transaction; it
    follows with
    ``charge.updated`` (https://docs.stripe.com/payments/payment-intents/asynchronous-capture).
    """

    fee_percent: str = "2.9"
    fee_fixed: int = 30
    fee_fixed_by_currency: dict[str, int] = field(default_factory=dict)
    dispute_fee: int = 1500
    is_dispute_fee_returned: bool = False
    available_after_days: int = 2
    payout_interval: str = "daily"
    payout_arrival_days: int = 1
    finalize_after_s: int = HOUR
    dunning_days: list[int] = field(default_factory=lambda: [3, 5, 7])
    dunning_end: str = "cancel"
    is_capture_async: bool = False


_INDEXED = frozenset(("tax_id", "invoiceitem", "payment_method", "subscription", "customer_balance_transaction"))


class Table:
    """Objects of one kind in order of creation, found by id."""

    def __init__(self) -> None:
        self.rows: dict[str, Obj] = {}

    def newest_first(self) -> Iterator[Obj]:
        """Yield objects, the newest first."""
        return reversed(self.rows.values())


class Account:
    """One Stripe account: its country, currencies, key, terms and objects. Rates: settlement per presentment currency."""

    def __init__(self, world: World, account_id: str, country: str, currency: str, api_key: str, api_version: str = LATEST) -> None:
        self.world = world
        self.id = account_id
        self.country = country
        self.currency = currency
        self.api_key = api_key
        self.api_version = api_version
        self.name = ""
        self.settlement = {currency}
        self.rates: dict[str, Fraction] = {}
        self.terms = Terms()
        self.tables: dict[str, Table] = {}
        self.lines: dict[str, list[Obj]] = {}
        self.available: dict[str, int] = {}
        self.pending: dict[str, int] = {}
        self.test_clocks: dict[str, Timeline] = {}
        self.created = world.timeline.now
        self.counters: dict[str, int] = {}
        self._of_customer: dict[tuple[str, str], dict[str, Obj]] = {}

    def table(self, kind: str) -> Table:
        """Return the table of a kind of object."""
        found = self.tables.get(kind)
        if found is None:
            found = self.tables[kind] = Table()
        return found

    def add(self, obj: Obj) -> Obj:
        """Keep an object under its kind and id; its place in lists is its order of arrival."""
        obj["_n"] = next(self.world.sequence)
        self.table(obj["object"]).rows[obj["id"]] = obj
        if obj["object"] in _INDEXED and obj.get("customer"):
            self.index(obj)
        return obj

    def index(self, obj: Obj) -> None:
        """Note that an object belongs to its customer."""
        self._of_customer.setdefault((obj["object"], obj["customer"]), {})[obj["id"]] = obj

    def unindex(self, obj: Obj) -> None:
        """Note that an object no longer belongs to its customer."""
        self._of_customer.get((obj["object"], obj["customer"]), {}).pop(obj["id"], None)

    def of_customer(self, kind: str, customer: str) -> list[Obj]:
        """Return a customer's tax ids, invoice items, payment methods, subscriptions or balance transactions, the oldest first."""
        return list(self._of_customer.get((kind, customer), {}).values())

    def find(self, object_id: str | None, kind: str = "") -> Obj | None:
        """Return an object by id, or None."""
        if not object_id:
            return None
        table = self.tables.get(kind or kind_of(object_id))
        return table.rows.get(object_id) if table else None

    def get(self, kind: str, object_id: Any, param: str = "id") -> Obj:
        """Return an object. Raises Stripe's resource_missing."""
        obj = self.find(object_id, kind) if isinstance(object_id, str) else None
        if obj is None:
            raise errors.missing(kind, str(object_id), param)
        return obj

    def living(self, kind: str, object_id: Any, param: str = "id") -> Obj:
        """Return an object that has not been deleted. Raises resource_missing."""
        obj = self.get(kind, object_id, param)
        if obj.get("deleted"):
            raise errors.missing(kind, str(object_id), param)
        return obj

    def remove(self, obj: Obj) -> Obj:
        """Forget an object and return the stub Stripe answers with."""
        self.table(obj["object"]).rows.pop(obj["id"], None)
        if obj["object"] in _INDEXED and obj.get("customer"):
            self.unindex(obj)
        return {"id": obj["id"], "object": obj["object"], "deleted": True}

    def rows(self, kind: str) -> Iterator[Obj]:
        """Yield the objects of a kind, the oldest first."""
        table = self.tables.get(kind)
        return iter(list(table.rows.values())) if table else iter(())

    def new_id(self, prefix: str) -> str:
        """Return a fresh id."""
        return self.world.ids.new(prefix)

    def timeline(self, customer: str | None = None) -> Timeline:
        """Return the clock a customer lives by: its test clock or the sandbox's."""
        owner = self.find(customer, "customer")
        clock = owner.get("test_clock") if owner else None
        return self.test_clocks.get(clock or "", self.world.timeline)

    def now(self, customer: str | None = None) -> int:
        """Return the time a customer lives in, in Unix seconds."""
        return self.timeline(customer).now

    def at(self, customer: str | None, due: int, action: Callable[[], None]) -> None:
        """Have action called when the customer's clock reaches an instant."""
        self.timeline(customer).at(due, action)

    def next_number(self, name: str) -> int:
        """Return the next of a sequence of numbers, from 1."""
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]

    def before(self, obj: Obj) -> dict[str, bytes]:
        """Return an object's present look per API version, for the previous_attributes of an event about its change."""
        return self.world.journal.look(self, obj)

    def emit(self, event_type: str, obj: Obj, before: dict[str, bytes] | None = None) -> None:
        """Record an event about an object as it is now and hand it to the webhooks. An update that changed nothing is no event."""
        self.world.journal.record(self, event_type, obj, before)


@dataclass
class Cause:
    """The request whose effects are being recorded; empty for what the clock does."""

    request_id: str | None = None
    idempotency_key: str | None = None


class World:
    """All accounts, the sandbox's clock and source of ids."""

    def __init__(self, seed: int, start: int) -> None:
        from .events import Journal

        self.seed = seed
        self.ids = Ids(seed)
        self._requests = Ids(seed)
        self.deferred: list[Callable[[], None]] = []
        self.timeline = Timeline(start, self.settle)
        self.sequence = count(1)
        self.accounts: dict[str, Account] = {}
        self.cause = Cause()
        self.journal = Journal()

    def request_id(self) -> str:
        """Return a fresh id for a call; from a source of chance of its own, so that who reads meanwhile does not change what is made."""
        return f"req_{self._requests.letters(14)}"

    def settle(self) -> None:
        """Do what was left for after the present call or action: what banks do once everything else has been told."""
        while self.deferred:
            self.deferred.pop(0)()

    def add_account(
        self, account_id: str, country: str, currency: str, api_key: str, api_version: str = LATEST, settlement: tuple[str, ...] = ()
    ) -> Account:
        """Open an account and start its daily payouts."""
        from .payouts import schedule_daily

        account = Account(self, account_id, country, currency, api_key, api_version)
        account.settlement |= set(settlement)
        self.accounts[account_id] = account
        schedule_daily(account)
        return account


RETENTION_S = 30 * DAY
"""Events older than this are not shown (https://docs.stripe.com/api/events)."""
