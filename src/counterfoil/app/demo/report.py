"""The result as a controller reads it, and as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from counterfoil.core.language.money import exponent_of
from counterfoil.core.proving.totals import STOCK_WORDS, WORDS
from counterfoil.store import views

from .sales import FIGURES, SalesRow
from .totals import TotalRow, TotalsProof

RIGHT, WRONG = "green", "bold red"


@dataclass(frozen=True, slots=True)
class DeliveryTotals:
    """Where every delivery went: received = normalized + ignored + parked + pending (requirement K3), summed over all sources.

    ``unbalanced``: the sources of which it is not true; one's shortage must not hide behind another's surplus.
    """

    received: int
    normalized: int
    ignored: int
    parked: int
    pending: int
    unbalanced: tuple[str, ...] = ()

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is missing, of any source."""
        return not self.unbalanced and self.received == self.normalized + self.ignored + self.parked + self.pending


def conservation_of(where: views.Conservation) -> DeliveryTotals:
    """Return the sum over all sources, and which of them do not add up."""
    lines = where.sources
    return DeliveryTotals(
        received=sum(line.received for line in lines),
        normalized=sum(line.normalized for line in lines),
        ignored=sum(line.ignored for line in lines),
        parked=sum(line.parked for line in lines),
        pending=sum(line.pending for line in lines),
        unbalanced=tuple(line.connection for line in lines if not line.is_balanced),
    )


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One open case as the result shows it."""

    id: str
    case_class: str
    cause: str
    entity: str = ""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything a run of the demonstration ends with.

    ``seconds``: how long it took; ``unfinished``: postings it did not wait for; ``sales``: what the sales systems show of the customers.
    """

    proof: TotalsProof
    conservation: DeliveryTotals
    cases: tuple[CaseLine, ...]
    seconds: float
    unfinished: int = 0
    sales: tuple[SalesRow, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether every difference is zero, nothing is missing, and nothing is left to do."""
        left = self.conservation.pending + self.conservation.parked + len(self.cases) + self.unfinished
        return self.proof.is_proven and self.conservation.is_balanced and left == 0 and all(row.is_equal for row in self.sales)


def as_json(result: DemoResult) -> dict[str, Any]:
    """Return the result with exactly the keys ``--json`` promises."""
    conservation = result.conservation
    return {
        "conservation": {
            "received": conservation.received,
            "normalized": conservation.normalized,
            "ignored": conservation.ignored,
            "parked": conservation.parked,
            "pending": conservation.pending,
            "balanced": conservation.is_balanced,
        },
        "totals": [
            {
                "entity": row.entity,
                "currency": row.currency,
                "kind": row.kind.value,
                "source_minor": row.source_minor,
                "erp_minor": row.erp_minor,
                "difference_minor": row.difference_minor,
                "count_source": row.count_source,
                "count_erp": row.count_erp,
            }
            for row in result.proof.totals
        ],
        "clearing": [
            {
                "entity": row.entity,
                "currency": row.currency,
                "processor_minor": row.processor_minor,
                "erp_minor": row.erp_minor,
                "unsettled_minor": row.unsettled_minor,
                "difference_minor": row.difference_minor,
            }
            for row in result.proof.clearing
        ],
        "standing": [
            {
                "entity": row.entity,
                "currency": row.currency,
                "account": row.stock.value,
                "source_minor": row.source_minor,
                "erp_minor": row.erp_minor,
                "difference_minor": row.difference_minor,
                "customers_apart": row.apart,
            }
            for row in result.proof.stocks
        ],
        "sales": [_sales_json(row) for row in result.sales],
        "cases": [asdict(case) for case in result.cases],
        "unfinished": result.unfinished,
        "seconds": round(result.seconds, 1),
    }


def _sales_json(row: SalesRow) -> dict[str, Any]:
    return {
        "system": row.system,
        "currency": row.currency,
        "figure": row.figure,
        "companies": row.companies,
        "source_minor": row.source_minor,
        "shown_minor": row.shown_minor,
        "difference_minor": row.difference_minor,
        "companies_apart": row.apart,
    }


def amount(minor: int, currency: str) -> str:
    """Return an amount as people write it, e.g. ``-1,234.50``; as many decimals as the currency has."""
    decimals = exponent_of(currency)
    digits = f"{abs(minor):0{decimals + 1}d}"
    whole, cents = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    sign = "-" if minor < 0 else ""
    return f"{sign}{int(whole):,}{'.' + cents if cents else ''}"


def show(result: DemoResult, console: Console) -> None:
    """Print the result: a table per entity and currency, the settlement proof, where every delivery went, the cases."""
    console.print(Group(*_blocks(result)))


def _blocks(result: DemoResult) -> list[RenderableType]:
    groups: dict[tuple[str, str], list[TotalRow]] = {}
    for row in result.proof.totals:
        groups.setdefault((row.entity, row.currency), []).append(row)
    blocks: list[RenderableType] = [_totals(entity, currency, rows) for (entity, currency), rows in groups.items()]
    blocks += [
        _clearing(result.proof),
        *_standing(result.proof),
        *_sales(result.sales),
        _conservation(result.conservation),
        *_cases(result.cases),
        _verdict(result),
    ]
    return blocks


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first, min_width=24)
    for column in columns:
        table.add_column(column, justify="right", min_width=10)
    return table


def _difference(minor: int, currency: str, *, is_right: bool) -> Text:
    return Text(amount(minor, currency), style=RIGHT if is_right else WRONG)


def _totals(entity: str, currency: str, rows: Sequence[TotalRow]) -> Table:
    table = _table(f"{entity} in {currency}", "", ("Stripe", "Odoo", "Stripe total", "Odoo total", "Difference"))
    for row in rows:
        numbers = [
            Text(str(n) if n else "", style="" if row.count_source == row.count_erp else WRONG) for n in (row.count_source, row.count_erp)
        ]
        amounts = amount(row.source_minor, currency), amount(row.erp_minor, currency)
        table.add_row(WORDS[row.kind], *numbers, *amounts, _difference(row.difference_minor, currency, is_right=row.is_equal))
    return table


def _clearing(proof: TotalsProof) -> Table:
    columns = ("Currency", "Stripe balance", "Odoo clearing", "Under way", "Difference")
    table = _table("Clearing account against processor balance", "Entity", columns)
    for row in proof.clearing:
        difference = _difference(row.difference_minor, row.currency, is_right=row.difference_minor == 0)
        amounts = (amount(minor, row.currency) for minor in (row.processor_minor, row.erp_minor, row.unsettled_minor))
        table.add_row(row.entity, row.currency, *amounts, difference)
    return table


def _standing(proof: TotalsProof) -> list[RenderableType]:
    """Return the accounts that must equal what stands at the source, each customer's credit for itself."""
    if not proof.stocks:
        return []
    table = _table("Accounts against what stands at the source", "Account", ("Entity", "Currency", "Stripe", "Odoo", "Difference"))
    for row in proof.stocks:
        amounts = amount(row.source_minor, row.currency), amount(row.erp_minor, row.currency)
        difference = _difference(row.difference_minor, row.currency, is_right=row.is_equal)
        if row.apart:
            difference.append(f" ({row.apart} customers)")
        table.add_row(STOCK_WORDS[row.stock], row.entity, row.currency, *amounts, difference)
    return [table]


def _sales(rows: Sequence[SalesRow]) -> list[RenderableType]:
    """Return what the sales systems show of the customers that are companies in them, each company for itself."""
    if not rows:
        return []
    table = _table("Companies in sales systems against Stripe", "", ("System", "Currency", "Companies", "Stripe", "Shown", "Difference"))
    for row in rows:
        amounts = amount(row.source_minor, row.currency or "USD"), amount(row.shown_minor, row.currency or "USD")
        difference = _difference(row.difference_minor, row.currency or "USD", is_right=row.is_equal)
        if row.apart:
            difference.append(f" ({row.apart} companies)")
        table.add_row(FIGURES.get(row.figure, row.figure), row.system, row.currency, str(row.companies), *amounts, difference)
    return [table]


def _conservation(found: DeliveryTotals) -> Text:
    sign = "=" if found.is_balanced else "is not"
    line = (
        f"Deliveries: {found.received:,} received {sign} {found.normalized:,} normalized + {found.ignored:,} ignored by rule"
        f" + {found.parked:,} parked + {found.pending:,} pending"
    )
    if found.unbalanced:
        line += f"; it does not add up for {', '.join(found.unbalanced)}"
    return Text(line, style=RIGHT if found.is_balanced and not found.pending else WRONG)


def _cases(cases: Sequence[CaseLine]) -> list[RenderableType]:
    if not cases:
        return [Text("Open cases: none", style=RIGHT)]
    table = Table(title=f"Open cases: {len(cases)}", title_justify="left", title_style=WRONG)
    for column in ("Case", "Class", "Entity", "Cause"):
        table.add_column(column)
    for case in cases:
        table.add_row(case.id, case.case_class, case.entity, case.cause)
    return [table]


def _verdict(result: DemoResult) -> Text:
    if result.is_proven:
        return Text(f"Every difference is zero. {result.seconds:.1f} s", style="bold green")
    words = f"Not proven: {result.proof.differing} totals differ, {len(result.cases)} cases are open. {result.seconds:.1f} s"
    if result.unfinished:
        words = f"{result.unfinished} postings unfinished when nothing went on any more: the differences hold them. {words}"
    return Text(words, style=WRONG)
