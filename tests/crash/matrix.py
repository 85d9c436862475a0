"""The crash matrix as data: every kind of write with its calls, every boundary a worker can die at, every fault of the target.

A kind of command, or a writing call, that has no row here fails ``test_matrix.py``, so that no write is ever added without its faults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.crash import proxy
from tests.crash.proxy import Rule, Strike

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.commands.crm import CrmCommand
from counterfoil.core.language.commands import CommandKind
from counterfoil.core.language.records import Purpose
from counterfoil.store import matches, retention

IS_FULL = os.environ.get("COUNTERFOIL_CRASH") == "full"

K = BookCommand
BOOKED: tuple[CommandKind, ...] = tuple(kind for kind, spec in SPECS.items() if spec.purpose is Purpose.BOOKS)
"""The kinds that are written into the books: the story is about those. Any other kind has a matrix of its own (``ELSEWHERE``)."""
ELSEWHERE: Mapping[CommandKind, str] = {CrmCommand.SHOW_STATUS: "test_status.py"}

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
    K.POST_INVOICE: (*DOCUMENT_AMENDS, "account.move/write number"),
    K.POST_CREDIT_NOTE: DOCUMENT_AMENDS,
    K.POST_PAYMENT: ("account.payment/unlink", "account.move/unlink"),
    K.POST_ENTRY: ("account.move/unlink",),
    K.ALLOCATE: ("account.partial.reconcile/unlink",),
}
"""Kind -> the writing calls that amend what its own delivery has just written: tax lines set to the cent (``load taxes``), a rounding line
added, the draft of a refused posting removed, a number taken from a draft that another document was given meanwhile (``write number``), a
match taken back that went beyond what was open. Their story is in amends.py."""

STRUCK_APART = frozenset({("naming", "name_records")})
"""Calls of what people do once, by a command, with a matrix of their own: adopting, in test_adopting_killed.py."""
UNSTRUCK = frozenset({("xids", "_load_each"), ("posting", "_take_numbers_off"), ("match_ends", "settle_payments")})
"""Calls (module, function) that the story, played on 19, does not come to: one only finds where the external id of a customer or product
that is gone points now, the others are made on 17 (a draft's number) and 18 (a payment's state) alone. All say the same again when they are
repeated."""

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
    *(("joint", stage) for stage in ("normalize", "decide")),  # first: a partition two workers died of is worked alone for many turns
    ("fetching", ""),  # nothing fetched
    ("fetched", ""),  # fetched, nothing written
    ("normalize", ""),  # facts, objects and the hand-off written, not committed
    ("normalized", ""),  # committed, the drain's end not noted
    ("decide", ""),  # wishes written, not committed
    ("decided", ""),  # committed, the drain's end not noted
    *((point, stage) for stage in ("normalize", "decide", "deliver") for point in ("taken", "finishing", "finished")),
)
"""Of a stage: taken: partitions are claimed, no drain of them has begun. finishing: a turn's work is committed, its end not noted. joint:
the same of a turn of several shards. finished: the drain has ended."""
KIND_BOUNDARIES = ("claimed", "sent", "taking up", "resolving", "resolved", "answered", "settling", "settled")
"""claimed: the intent is not committed. sent: it is, nothing is sent. answered: the target did it, nothing is noted. settling: noted, not
committed. settled: committed, the drain's end not noted. taking up: what another one did not live to settle is put in doubt and the new
intent noted, not committed. resolving, resolved: as sent and answered, when the outcome is unknown."""


AMEND_BOUNDARIES = ("before", "after")
"""before: everything the call amends is written, the call is not made. after: it is answered, nothing of the delivery is noted."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One cell: where a worker is killed, in hand a command of ``kind`` (of a stage where it is none's).

    ``is_in_doubt``: what is struck was done once and is looked up: somebody had it done again.
    """

    boundary: str
    kind: str = ""
    is_in_doubt: bool = False

    @property
    def before(self) -> tuple[str, ...]:
        """Boundaries a worker must have died at before there is anything to resolve: none where it is in doubt already."""
        return ("sent",) if self.boundary in ("taking up", "resolving", "resolved") and not self.is_in_doubt else ()

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
        *(Kill(boundary, kind.value) for kind in BOOKED for boundary in boundaries_of(kind)),
    )
    if IS_FULL:
        return every
    quick = {
        Kill("fetched"),
        Kill("decide"),
        Kill("taken", "deliver"),
        Kill("joint", "decide"),
        Kill("finished", "decide"),
        Kill("settled", K.UPSERT_CUSTOMER.value),
        Kill("call 1", K.UPSERT_PRODUCT.value),
        Kill("sent", K.POST_INVOICE.value),
        Kill("taking up", K.POST_INVOICE.value),
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


class Decided(StrEnum):
    """What makes writes come about beside what happens at the source: what is declared, what people decide, what Odoo has already."""

    MODE_SWITCH = "mode switch"  # an invoice is a document, its payment summed up: an entry takes the customer's part out of the sum
    POSTED_AGAIN = "posted again"  # somebody deleted a document in the books, somebody retries its case
    MATCHED_AGAIN = "matched again"  # the same of a match that was undone there
    KNOWN_PRODUCT = "known product"  # the product is in the books already, by the same name: it is used, and none is made


DECIDED: Mapping[Decided, tuple[CommandKind, ...]] = {
    Decided.MODE_SWITCH: (K.POST_ENTRY, K.ALLOCATE),
    Decided.POSTED_AGAIN: (K.POST_INVOICE, K.ALLOCATE),
    Decided.MATCHED_AGAIN: (K.ALLOCATE,),
    Decided.KNOWN_PRODUCT: (K.UPSERT_PRODUCT,),
}
"""The kinds of command each is carried out by. Their stories are in decisions.py."""
AGAIN = frozenset({Decided.POSTED_AGAIN, Decided.MATCHED_AGAIN})
"""What is done once more is in doubt from the beginning, so that what somebody put back meanwhile is found."""
AGAIN_BOUNDARIES = ("claimed", "resolving", "resolved", "settling", "settled")


def decided_kills() -> tuple[tuple[Decided, Kill], ...]:
    """Return the cells of what is decided: all of them, or one of each kind it is carried out by."""
    every = [
        (what, Kill(boundary, kind.value, is_in_doubt=what in AGAIN))
        for what, kinds in DECIDED.items()
        for kind in kinds
        for boundary in (AGAIN_BOUNDARIES if what in AGAIN else KIND_BOUNDARIES)
    ]
    quick = {
        (Decided.MODE_SWITCH, K.POST_ENTRY.value): "answered",
        (Decided.MODE_SWITCH, K.ALLOCATE.value): "settling",
        (Decided.POSTED_AGAIN, K.POST_INVOICE.value): "resolved",
        (Decided.POSTED_AGAIN, K.ALLOCATE.value): "resolving",
        (Decided.MATCHED_AGAIN, K.ALLOCATE.value): "resolved",
        (Decided.KNOWN_PRODUCT, K.UPSERT_PRODUCT.value): "answered",
    }
    return tuple(one for one in every if IS_FULL or quick[one[0], one[1].kind] == one[1].boundary)


MATCHING_BOUNDARIES = ("taken", "keyed", "asking", "linking", "compared", "finishing", "finished")
"""Of the stage ``match``. keyed: a customer's keys are written; asking: what was found, and the case where people are asked; linking: that
two are one, where that is declared; none of it is committed. compared: it is, the turn's end is not noted."""


def matching_kills() -> tuple[Kill, ...]:
    """Return the cells of comparing customers: all of them, or those within its transaction and right after it."""
    quick = ("keyed", "asking", "linking", "compared")
    return tuple(Kill(boundary, matches.STAGE) for boundary in (MATCHING_BOUNDARIES if IS_FULL else quick))


ERASING_BOUNDARIES = ("erasing", "erased")
"""Of the stage ``retention``. erasing: records are erased, not committed. erased: the turn is over, all its steps committed."""


def erasing_kills() -> tuple[Kill, ...]:
    """Return the cells of erasing: ``kind`` is a payload class; the others are erased by the same two steps."""
    return tuple(Kill(boundary, payload) for payload in (retention.BODIES, retention.EVENTS) for boundary in ERASING_BOUNDARIES)
