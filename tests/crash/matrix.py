"""The crash matrix as data: every kind of write with its calls, every boundary a worker can die at, every fault of the target.

A kind of command, or a writing call, that has no row here fails ``test_matrix.py``, so that no write is ever added without its faults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.crash import proxy
from tests.crash.proxy import Rule, Strike

from counterfoil.core.canonical.commands import CommandKind

IS_FULL = os.environ.get("COUNTERFOIL_CRASH") == "full"

K = CommandKind

WRITES: Mapping[CommandKind, tuple[tuple[str, ...], ...]] = {
    K.UPSERT_CUSTOMER: (("res.partner/load",),),
    K.UPSERT_PRODUCT: (("product.product/load new", "product.product/load"),),
    K.POST_INVOICE: (("account.move/load new", "account.move/action_post"),),
    K.POST_CREDIT_NOTE: (("account.move/load new", "account.move/action_post", "account.move/load"),),  # the last one links the invoice
    K.POST_PAYMENT: (
        ("account.payment/load new", "account.payment/action_post"),
        ("account.move/load new", "account.move/action_post"),  # settled in another currency: booked as an entry
    ),
    K.POST_ENTRY: (("account.move/load new", "account.move/action_post"),),
    K.ALLOCATE: (
        ("account.partial.reconcile/load new", "account.full.reconcile/create"),  # the latter where a group is matched to nothing left
        ("account.move.line/reconcile",),  # where Odoo books a difference
    ),
    K.UNMATCH: (("account.partial.reconcile/unlink",),),
}
"""Kind -> the sequences of writing calls its delivery makes in the story, each as model/method (``load new``: inserts only)."""

DOCUMENT_AMENDS = ("account.move/load taxes", "account.move/write", "account.move/unlink")
AMENDS: Mapping[CommandKind, tuple[str, ...]] = {
    K.POST_INVOICE: DOCUMENT_AMENDS,
    K.POST_CREDIT_NOTE: DOCUMENT_AMENDS,
    K.POST_PAYMENT: ("account.payment/unlink", "account.move/unlink"),
    K.POST_ENTRY: ("account.move/unlink",),
    K.ALLOCATE: ("account.partial.reconcile/unlink",),
}
"""Kind -> the writing calls that amend what its own delivery has just written: tax lines set to the cent (``load taxes``), a rounding line
added, the draft of a refused posting removed, a match taken back that went beyond what was open. Their story is in amends.py."""

UNSTRUCK = frozenset(
    {("partners", "_follow"), ("posting", "_take_numbers_off"), ("posting", "_forget_numbers"), ("match_ends", "settle_payments")}
)
"""Calls (module, function) that the story, played on 19, does not come to: one only finds where a merged customer's external id points
now, one takes a number back that two drafts were given at once, the others are made on 17 (a draft's number) and 18 (a payment's state)
alone. All say the same again when they are repeated."""

SECOND_CHAPTER = frozenset({K.UNMATCH})
"""Kinds that the story comes to in its second chapter."""


def writes() -> tuple[tuple[str, str], ...]:
    """Return every writing call of every kind: (kind, model/method)."""
    return tuple((kind.value, name) for kind, flows in WRITES.items() for flow in flows for name in flow)


def amends() -> tuple[tuple[str, str], ...]:
    """Return every call by which a kind amends what it wrote: (kind, model/method)."""
    return tuple((kind.value, name) for kind, names in AMENDS.items() for name in names)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for the target to fail a call, and how often in a row: twice is more than the HTTP client tries by itself here."""

    strike: Strike
    times: int = 2


def faults(timeout_s: float) -> Mapping[str, Fault]:
    """Return the faults by name, for a hub that waits so long for an answer."""
    return {
        "answer dropped after commit": Fault(proxy.drop_after),
        "answer cut after commit": Fault(proxy.cut_after),
        "answer past the time-out": Fault(proxy.answer_late(2 * timeout_s)),
        "commit past the time-out": Fault(proxy.commit_late(2 * timeout_s)),
        "never arrived": Fault(proxy.drop_before),
        "429 with Retry-After": Fault(proxy.status_before(429, Retry_After="1")),
        "500": Fault(proxy.status_before(500)),
        "502": Fault(proxy.status_before(502)),
        "503": Fault(proxy.status_before(503)),
        "500 after commit": Fault(proxy.status_after(500)),
        "502 after commit": Fault(proxy.status_after(502)),
        "serialization failure": Fault(proxy.lost_race),
        "credential expired": Fault(proxy.expired),
    }


MIXED = "one of each"


def rules(name: str, timeout_s: float, calls: Sequence[tuple[str, str]]) -> list[tuple[str, Rule]]:
    """Return the rules of one round, with the fault each stands for: one fault for every call, or (``MIXED``) the faults in turn."""
    known = faults(timeout_s)
    names = list(known)
    start = 0 if calls == writes() else names.index("never arrived")  # past the late ones, which take their time
    found = []
    for index, (kind, call) in enumerate(calls, start):
        fault = names[index % len(names)] if name == MIXED else name
        found.append((fault, Rule(kind, call, known[fault].strike, known[fault].times)))
    return found


STAGE_BOUNDARIES = (
    ("fetching", ""),  # nothing fetched
    ("fetched", ""),  # fetched, nothing written
    ("normalize", ""),  # facts, objects and the hand-off written, not committed
    ("normalized", ""),  # committed, the drain's end not noted
    ("decide", ""),  # wishes written, not committed
    ("decided", ""),  # committed, the drain's end not noted
    *((point, stage) for stage in ("normalize", "decide", "deliver") for point in ("finishing", "finished")),  # before, after that commit
)
KIND_BOUNDARIES = ("claimed", "sent", "resolving", "resolved", "answered", "settling", "settled")
"""claimed: the intent is not committed. sent: it is, nothing is sent. answered: the target did it, nothing is noted. settling: noted, not
committed. settled: committed, the drain's end not noted. resolving, resolved: as sent and answered, when the outcome is unknown."""


AMEND_BOUNDARIES = ("before", "after")
"""before: everything the call amends is written, the call is not made. after: it is answered, nothing of the delivery is noted."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One cell: where a worker is killed, in hand a command of ``kind`` (of a stage where it is none's)."""

    boundary: str
    kind: str = ""

    @property
    def before(self) -> tuple[str, ...]:
        """Boundaries a worker must have died at before there is anything to resolve."""
        return ("sent",) if self.boundary in ("resolving", "resolved") else ()

    @property
    def is_late(self) -> bool:
        """Whether it strikes in the story's second chapter."""
        return self.kind in SECOND_CHAPTER


def boundaries_of(kind: CommandKind) -> tuple[str, ...]:
    """Return every boundary a delivery of this kind passes, those between two of its calls included."""
    longest = max(len(flow) for flow in WRITES[kind])
    return (*KIND_BOUNDARIES, *(f"call {ordinal}" for ordinal in range(1, longest)))


def kills() -> tuple[Kill, ...]:
    """Return the cells to be run: all of them, or each kind and each kind of boundary once."""
    every = (
        *(Kill(boundary, stage) for boundary, stage in STAGE_BOUNDARIES),
        *(Kill(boundary, kind.value) for kind in CommandKind for boundary in boundaries_of(kind)),
    )
    if IS_FULL:
        return every
    quick = {
        Kill("fetched"),
        Kill("decide"),
        Kill("settled", K.UPSERT_CUSTOMER.value),
        Kill("call 1", K.UPSERT_PRODUCT.value),
        Kill("sent", K.POST_INVOICE.value),
        Kill("resolved", K.POST_CREDIT_NOTE.value),
        Kill("claimed", K.POST_PAYMENT.value),
        Kill("settling", K.POST_ENTRY.value),
        Kill("answered", K.ALLOCATE.value),
        Kill("answered", K.UNMATCH.value),
    }
    return tuple(kill for kill in every if kill in quick)


def amend_kills() -> tuple[Kill, ...]:
    """Return the cells right before and right after every call that amends: all of them, or one."""
    every = tuple(Kill(f"{boundary} {name}", kind) for kind, name in amends() for boundary in AMEND_BOUNDARIES)
    return every if IS_FULL else (Kill("before account.partial.reconcile/unlink", K.ALLOCATE.value),)
