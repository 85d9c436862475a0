"""A decision told in whole: everything it wishes, waits for and cannot do, as lines an accountant can read; and what holds of every one.

Told of a command: what it is and is named, where and for whom (entity, target, what it is ordered by), what it needs and produces, and all
it says of money. Left out are what it was made of: ids and digests.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache
from textwrap import wrap
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from counterfoil.core.commands.books import (
    Allocate,
    DocumentLine,
    PostDocument,
    PostEntry,
    PostPayment,
    Unmatch,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.text import decimal_text
from counterfoil.core.policies.decision import Decision, Problem


def told(decision: Decision, sent: Container[str] = ()) -> str:
    """Return a whole decision, a line for each thing in it, indented lines for what belongs to the one above.

    Of a command that was wished before (its id is in ``sent``) only that it still is.
    """
    return "\n".join(
        [
            *(line for command in decision.commands for line in _command(command, is_new=command.id not in sent)),
            *(f"waits for {ref.key}" for ref in decision.waits),
            *(line for problem in decision.problems for line in _problem(problem)),
            *(f"no longer {key}" for _, key in decision.withdrawn),
            *([f"ignored: {decision.ignored}"] if decision.ignored else []),
            *(f"summed up: {item.document_id} {item.day} {_words(item.account, item.amount, item.tax)}" for item in decision.summary),
        ]
    )


def _words(*parts: object) -> str:
    return " ".join(str(part) for part in parts if part not in ("", None))


def _command(command: Command, *, is_new: bool) -> Iterator[str]:
    match command.arguments:
        case Allocate(debit, credit, amount):
            what = f"match {debit} with {credit}: {amount}"
        case Unmatch(debit, credit):
            what = f"unmatch {debit} from {credit}"
        case _:
            what = f"{command.kind.value} {command.external_key}"
    if isinstance(command.arguments, UpsertCustomer | UpsertProduct):
        what = f"{what} of {command.target}"
    if not is_new:
        yield f"still {what}"
        return
    lane = "" if command.lane is Lane.REAL_TIME else f", {command.lane.name.lower()}"
    where = f"({command.entity} in {command.target}, for {command.order_key or 'nobody'}{lane})"
    yield from wrap(f"{what} {where}", 130, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    yield from (f"  {line}" for line in _arguments(command))
    is_match = isinstance(command.arguments, Allocate | Unmatch)
    needs = command.needs[2 if is_match else 0 :]
    yield from _wrapped(f"needs {', '.join(needs)}") if needs else ()
    if command.produces:
        yield f"  makes {command.produces}"


def _arguments(command: Command) -> Iterator[str]:
    match command.arguments:
        case PostDocument() as document:
            currency = document.currency if document.currency != document.total.currency else ""
            yield f"{_words(f'{document.customer_id}:', document.total, currency)}, of which tax {document.tax}"
            yield f"issued {document.issued_on}, booked {document.accounting_on}, due {document.due_on}"
            named = _words(document.number, document.memo and f'"{document.memo}"', document.reverses and f"reverses {document.reverses}")
            yield f"{named or 'no number'}, tolerance {document.rounding_tolerance}"
            yield from (_line(line) for line in document.lines)
        case PostPayment() as payment:
            way = "in" if payment.is_inbound else "out"
            settled = f", settled as {payment.settled}" if payment.settled else ""
            yield f"{payment.customer_id}: {payment.amount} {way} on {payment.paid_on} by {payment.counterpart}{settled}"
            yield from [f'"{payment.memo}"'] if payment.memo else []
        case PostEntry() as entry:
            yield f'{entry.accounting_on} in {entry.journal} "{entry.memo}"'
            for line in entry.lines:
                yield _words(line.account, line.amount, line.description and f'"{line.description}"', line.customer_id, line.company_amount)
        case UpsertCustomer() | UpsertProduct() as master:
            yield ", ".join(_given(master))
        case _:
            pass


def _given(value: object) -> Iterator[str]:
    """Yield the fields of a value that are not as by default, by their names."""
    for field in fields(value):  # type: ignore[arg-type]
        given = getattr(value, field.name)
        if is_dataclass(given):
            yield from _given(given)
        elif given != field.default:
            yield f"{field.name} {given}"


def _line(line: DocumentLine) -> str:
    quantity = "" if line.quantity == Decimal(1) else f"{decimal_text(line.quantity)} of"
    head = _words(quantity, f'"{line.description}"', line.amount, "on", line.account, line.product_id and f"as {line.product_id}")
    taxes = "".join(f", {tax.target_tax} {tax.amount} {'in' if tax.is_inclusive else 'on'} {tax.taxable}" for tax in line.taxes)
    return head + taxes + (f", {line.period_start} to {line.period_end}" if line.period_start or line.period_end else "")


def _problem(problem: Problem) -> Iterator[str]:
    yield f"case {problem.case_class.value} {problem.code}, {_words(problem.entity, problem.money) or 'without money'}"
    yield from (line for text in (problem.cause, problem.remedy) for line in _wrapped(text))
    for key in filter(None, (problem.releases_on, *problem.releases_also)):
        yield f"  goes on with {key}"


def _wrapped(text: str) -> Iterator[str]:
    yield from wrap(text, 130, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def check_types(value: object, declared: Any, where: str = "") -> None:
    """Check that a value is, in all its parts, of the types its fields declare: what is wished is read by others as declared."""
    declared = getattr(declared, "__supertype__", declared)  # a type of its own is what it is made of
    origin, arguments = get_origin(declared), get_args(declared)
    if isinstance(declared, UnionType):
        kind = next((one for one in arguments if isinstance(value, get_origin(one) or one)), None)
        assert kind is not None, f"{where} is {value!r}, not {declared}"
        check_types(value, kind, where)
    elif origin is tuple:
        assert type(value) is tuple, f"{where} is {value!r}, not {declared}"
        kinds = [arguments[0]] * len(value) if arguments[1:] == (...,) else list(arguments)
        for number, (item, kind) in enumerate(zip(value, kinds, strict=True)):
            check_types(item, kind, f"{where}[{number}]")
    else:
        assert isinstance(value, declared), f"{where} is {value!r}, not {declared.__name__}"
        if isinstance(declared, type) and is_dataclass(declared):
            for name, kind in _fields(declared):
                part = getattr(value, name)
                if type(part) is not kind or is_dataclass(part):  # most parts are plainly right, and this is asked of every decision
                    check_types(part, kind, f"{where}.{name}")


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def check_commands(commands: Iterable[Command]) -> None:
    """Check what holds of every command: who is named in it is needed and orders it, what is matched is needed by its match."""
    for command in commands:
        match command.arguments:
            case PostDocument(customer_id) | PostPayment(customer_id):
                assert command.order_key == customer_id, command
                assert f"customer/{customer_id}" in command.needs, command
                assert command.produces, command
            case PostEntry() as entry:
                named = {line.customer_id for line in entry.lines if line.customer_id}
                assert {f"customer/{one}" for one in named} <= set(command.needs), command
                assert command.produces.startswith("entry/"), command
            case Allocate(debit, credit) | Unmatch(debit, credit):
                assert command.needs[:2] == (debit, credit), command
            case UpsertCustomer() | UpsertProduct():
                assert command.produces.partition("/")[2] == command.order_key, command
