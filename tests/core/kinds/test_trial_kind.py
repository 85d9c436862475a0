"""A kind of record and a kind of command are one file each: added in a copy they work; one that leaves something out does not start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import pytest
from tests.copying import copy_package

from counterfoil.core.language.commands import CommandKind
from counterfoil.core.language.records import EventType

QUOTE = '''
"""Quotes: what a customer was offered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Purpose, Record, Reference, Survivorship, never, nothing
from counterfoil.core.language.states import States


class QuoteState(StrEnum):
    """Canonical states of quotes."""

    OPEN = "open"
    SIGNED = "signed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Quote(Record):
    """An offer."""

    id: str
    customer_id: str
    state: QuoteState
    total: Money
    number: str = ""
    signed_at: datetime | None = None


class QuoteEvent(EventType):
    """What happens to a quote."""

    MADE = "quote.made"
    SIGNED = "quote.signed"


QUOTE = Kind(
    name="quote",
    record=Quote,
    noun="quote",
    events=QuoteEvent,
    lifecycle=States(
        QuoteState,
        {QuoteState.OPEN: (QuoteState.SIGNED, QuoteState.LOST), QuoteState.SIGNED: (), QuoteState.LOST: ()},
    ),
    survivorship=Survivorship.WHOLE,
    keeps=lambda newer, older: replace(newer, signed_at=newer.signed_at or older.signed_at),
    refers_to=(Reference("customer", lambda quote: (quote.customer_id,)),),
    affects=(Reference("customer", lambda quote: (quote.customer_id,)),),
    is_looked_back_from=never,
    total=lambda quote: quote.total,
    amounts=nothing,
    customer_of=lambda quote: quote.customer_id,
    found_by=lambda quote: (quote.number,),
    wait_limit=timedelta(days=2),
    service_level=timedelta(seconds=10),
    is_made_again=False,
    ignored={Purpose.BOOKS: "quote_has_no_counterpart"},
)
'''

TRIAL = """
from dataclasses import replace
from datetime import UTC, datetime

from counterfoil.core.facts.events import Event, Fact, ref_of
from counterfoil.core.facts.merge import Current, MergeOutcome, merge
from counterfoil.core.kinds.quote import QUOTE, Quote, QuoteEvent, QuoteState
from counterfoil.core.language.money import Money
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import MemoryView
from counterfoil.core.policies.related import affected, related
from counterfoil.core.policies.rules import Rules
from counterfoil.core.policies.service_levels import service_level_of, wait_limits
from counterfoil.kit.codec import decode_event, decode_record, encode, schemas
from counterfoil.normalize.merging import found_by
from counterfoil.normalize.storable import what_is_unstorable

at = datetime(2026, 3, 1, tzinfo=UTC)
made = Quote("acme:q1", "acme:c1", QuoteState.OPEN, Money(120_00, "EUR"), "Q-1")
signed = replace(made, state=QuoteState.SIGNED, signed_at=at)

# Written and read back, alone and in an event; its schemas are there.
assert decode_record("quote", encode(signed)) == signed
event = Event("ev1", QuoteEvent.SIGNED, 1, "acme", ref_of(signed), at, at, 2, signed)
assert decode_event(encode(event)) == event
assert {"counterfoil/entity/quote/1", "counterfoil/event/quote.made/1", "counterfoil/event/quote.signed/1"} <= schemas().keys()

# Merged: what is final stays, what was said is kept.
known = merge(Current(made, 1), Fact(QuoteEvent.SIGNED, at, 2, signed)).current
assert known.record == signed
assert merge(known, Fact(QuoteEvent.MADE, at, 3, made)).outcome is MergeOutcome.STALE
assert merge(known, Fact(QuoteEvent.SIGNED, at, 3, replace(signed, signed_at=None))).current.record.signed_at == at

# Loaded, found, watched, and kept within what the database holds.
customer = (("customer", "acme:c1"),)
assert tuple((ref.kind, ref.id) for ref in related(made)) == customer == tuple((ref.kind, ref.id) for ref in affected(made))
assert found_by(made) == ("Q-1",)
assert wait_limits(at - at)["quote"].days == 2
assert service_level_of("quote").total_seconds() == 10
assert what_is_unstorable(b"", (Fact(QuoteEvent.MADE, at, 1, replace(made, total=Money(2**63, "EUR"))),))

# Decided: ignored by a named rule.
assert decide(event, MemoryView({QUOTE.ref("acme:q1"): signed}), Rules(1, {}, ())).ignored == "quote_has_no_counterpart"
"""

SEND_QUOTE = '''
"""Commands of offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.language.commands import Arguments, CommandKind, Spec
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose


@dataclass(frozen=True, slots=True)
class SendQuote(Arguments):
    """Send an offer to whom it is for."""

    quote_id: str
    total: Money
    to: str

    @property
    def money(self) -> Money | None:
        """What is offered."""
        return self.total

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Whom it goes to."""
        return ((self.to, "e-mail"),)


class OfferCommand(CommandKind):
    """What is wished of whoever sends offers."""

    SEND_QUOTE = "send_quote"


SPECS = (
    Spec(
        kind=OfferCommand.SEND_QUOTE,
        purpose=Purpose.BOOKS,
        arguments=SendQuote,
        domain="offers",
        noun="offer",
        title="Offers",
        service_level=timedelta(minutes=2),
        is_ordered=False,
        same_thing=lambda command: (command.external_key,),
    ),
)
'''

TRIAL_OF_COMMAND = """
from datetime import time, timedelta

from counterfoil.app.sending_settings import DomainSettings
from counterfoil.cli.wording import ONE, TITLES
from counterfoil.core.commands import SPECS, command_kind, same_thing
from counterfoil.core.commands.offers import OfferCommand, SendQuote
from counterfoil.core.finance.invariants import check_arguments
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.policies.lanes import LaneRule, Lanes
from counterfoil.core.policies.service_levels import service_level
from counterfoil.kit.codec import decode_command, encode, schemas

send = SendQuote("acme:q1", Money(120_00, "EUR"), "ann@example.com")
command = Command("c1", command_kind("send_quote"), "mail", "US", ObjectRef("customer", "acme:c1"), "quote_acme.q1", send)
assert decode_command(encode(command)) == command
assert "counterfoil/command/send_quote/1" in schemas()
assert (send.money, send.personal, same_thing(command)) == (Money(120_00, "EUR"), (("ann@example.com", "e-mail"),), ("quote_acme.q1",))
check_arguments(command.kind, send)
assert service_level("send_quote") == timedelta(minutes=2)
assert Lanes((LaneRule("offers", within_s=60),)).within_s(OfferCommand.SEND_QUOTE, "US") == 60
assert DomainSettings(name="offers").name == "offers"
assert (ONE["send_quote"], TITLES["send_quote"]) == ("offer", "Offers")
"""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of the package, to which a test adds a file."""
    copy_package(tmp_path)
    return tmp_path


def run(copied: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code with the copy in place of the package."""
    environment = os.environ | {"PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd=copied)


def test_a_kind_of_record_is_one_file(copied: Path) -> None:
    (copied / "counterfoil/core/kinds/quote.py").write_text(QUOTE, "utf-8")
    result = run(copied, TRIAL)
    assert result.returncode == 0, result.stderr


def test_a_kind_of_command_is_one_file(copied: Path) -> None:
    (copied / "counterfoil/core/commands/offers.py").write_text(SEND_QUOTE, "utf-8")
    result = run(copied, TRIAL_OF_COMMAND)
    assert result.returncode == 0, result.stderr


PARTS = re.findall(r"^    (\w+)=", QUOTE.partition("QUOTE = Kind(")[2], re.MULTILINE)


LAST_STEP = "QuoteState.LOST: ()},"


@pytest.mark.parametrize("part", PARTS)
def test_a_kind_that_leaves_a_part_out_does_not_start_and_says_which(copied: Path, part: str) -> None:
    head, _, body = QUOTE.partition("QUOTE = Kind(")
    start = body.index(f"\n    {part}=")
    ends = [body.find(f"\n    {other}=", start + 1) for other in PARTS]
    end = min((place for place in ends if place > 0), default=body.index("\n)"))
    (copied / "counterfoil/core/kinds/quote.py").write_text(f"{head}QUOTE = Kind({body[:start]}{body[end:]}", "utf-8")
    result = run(copied, "import counterfoil.kit.codec")
    assert result.returncode == 1
    assert f"'{part}'" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ('name="quote"', 'name="offer"', "core/kinds/quote.py holds the kind 'offer'"),
        ("QUOTE = Kind", "OFFER = Kind", "core/kinds/quote.py has no kind of the name QUOTE"),
        ('Reference("customer"', 'Reference("costumer"', "kind quote refers to costumer, of which there is no file in core/kinds"),
        ("QuoteState.SIGNED: (), ", "", "QuoteState does not say what may follow signed"),
        ('MADE = "quote.made"', 'MADE = "invoice.issued"', "kinds invoice and quote both have the event type invoice.issued"),
        ("record=Quote,", "record=__import__('counterfoil.core.kinds.price', fromlist=['Price']).Price,", "have the same record Price"),
        (LAST_STEP, f"{LAST_STEP}erased=QuoteState.OPEN,", "QuoteState has something follow open, which is for ever"),
        (LAST_STEP, f"{LAST_STEP}erased=QuoteState.LOST,", "kind quote can be lost and has no event type quote.lost"),
        (
            'ignored={Purpose.BOOKS: "quote_has_no_counterpart"}',
            "ignored={}",
            "kind quote has neither a policy nor a rule to ignore it for books",
        ),
    ],
)
def test_a_kind_that_contradicts_itself_or_another_does_not_start_and_says_how(copied: Path, was: str, becomes: str, words: str) -> None:
    assert was in QUOTE
    (copied / "counterfoil/core/kinds/quote.py").write_text(QUOTE.replace(was, becomes), "utf-8")
    result = run(copied, "import counterfoil.core.policies.decide")
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ('        domain="offers",\n', "", "'domain'"),
        ("        service_level=timedelta(minutes=2),\n", "", "'service_level'"),
        ("    def money(self)", "    def cash(self)", "core/commands/offers.py: SendQuote does not say money"),
        (
            '    SEND_QUOTE = "send_quote"',
            '    SEND_QUOTE = "send_quote"\n    DROP = "drop"',
            "core/commands/offers.py has no spec of drop",
        ),
        ("SPECS = (", "SPEC = (", "core/commands/offers.py has no SPECS"),
    ],
)
def test_a_kind_of_command_that_leaves_something_out_does_not_start_and_says_what(copied: Path, was: str, becomes: str, words: str) -> None:
    assert was in SEND_QUOTE
    (copied / "counterfoil/core/commands/offers.py").write_text(SEND_QUOTE.replace(was, becomes), "utf-8")
    result = run(copied, "import counterfoil.kit.codec")
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[-1]


def test_a_policy_for_what_a_rule_ignores_is_refused(copied: Path) -> None:
    masters = copied / "counterfoil/core/policies/masters.py"
    price = "Policy(kind=PRICE, purpose=Purpose.BOOKS, decide=product, after=nobody, looks_back=False, sees_documents=False)"
    more = f"\nfrom counterfoil.core.kinds.price import PRICE\n\nPOLICIES = (*POLICIES, {price})\n"
    masters.write_text(masters.read_text("utf-8") + more, "utf-8")
    result = run(copied, "import counterfoil.core.policies.decide")
    assert "kind price has both a policy and a rule to ignore it for books" in result.stderr


@pytest.mark.parametrize("base", [CommandKind, EventType])
def test_going_through_a_base_without_members_is_an_error_and_not_an_empty_loop(base: type[StrEnum]) -> None:
    with pytest.raises(TypeError, match="has its members in the files of its kinds"):
        list(base)
