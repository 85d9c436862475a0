"""What a person is to do about a refusal of Odoo's, and which cause several refusals share: next steps that lead to the end if followed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from counterfoil.connectors.odoo.config import CompanyConfig, OdooConfig
from counterfoil.core.commands.books import Account, AccountRole, PostDocument, PostEntry, PostPayment
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.writing import Outcome, OutcomeStatus, Send

_RATE = "Add the rate of {1} in Odoo (Accounting, Configuration, Currencies), then retry this case."
_CURRENCY = "Activate {1} in Odoo (Accounting, Configuration, Currencies) and give it a rate, then retry this case."
_DECIMALS = (
    "Set the Rounding Factor of {1} in Odoo (Accounting, Configuration, Currencies) so that it has {2} decimals, which Odoo allows at any"
    " time; then retry this case. Nothing is rounded by itself: what the source took and the books would differ."
)
_FILE = (
    "Set it in the configuration file, under [{place}]. A hub that was started before reads it when it is started again; then retry this"
    " case."
)
_MAPPING = (
    "Map it to one that exists in Odoo: `counterfoil map list --kind {1}` shows by which key it is mapped,"
    " `counterfoil map set {1} {entity} KEY {2}` maps it otherwise, and what stands still for it is taken up again."
)
_ARCHIVED = (
    "An account it needs is archived in Odoo.{accounts} Take it into use again (Accounting, Configuration, Chart of Accounts), then retry"
    " this case. Or map another one in the configuration file and start the hub again, then retry."
)
_GONE = (
    "Somebody deleted or merged it in Odoo. Retry this case: what is gone is made anew, and the posting goes to it. If it is refused again,"
    " change the customer at the source, which sends it anew."
)
_HIDDEN = (
    "Open it in Odoo with that company chosen too, as somebody who may use both, and empty its field Company, so that all companies have"
    " it; then retry this case."
)
_DRAFT = (
    "Nothing is posted and nothing has to be undone: somebody may have edited the draft. Retry this case, which makes it anew. If it says"
    " the same again, Odoo computes it otherwise: compare the rate of each tax of the document with what"
    " `counterfoil map list --kind tax` maps it to."
)
_PERIOD = (
    "Reopen the period in Odoo: what waits goes by itself within a minute. Or have it posted on the first open day: locked_period ="
    ' "first_open_day" of entity {entity} in the configuration file.'
)


@dataclass(frozen=True, slots=True)
class _Advice:
    """For refusals with this code whose words match. ``{1}``, ``{2}``: of the match; ``about``: the shared cause, empty: by their words."""

    code: str
    words: str
    remedy: str
    about: str = ""


_ADVICE: tuple[_Advice, ...] = (
    _Advice("odoo.rate_missing", r"has no rate for (\w+)", _RATE, "rate/{1}"),
    _Advice("odoo.currency_inactive", r"currency (\w+) is not active", _CURRENCY, "currency/{1}"),
    _Advice("odoo.currency_decimals", r"Odoo keeps (\w+) with \d+ decimals, .* with (\d+)", _DECIMALS, "decimals/{1}"),
    _Advice("odoo.account_unmapped", "", _FILE),
    _Advice("odoo.journal_unmapped", "", _FILE),
    _Advice("odoo.company_unmapped", "", _FILE),
    _Advice("odoo.tax_unmapped", "", _MAPPING.replace("{1}", "tax").replace("{2}", "'NAME OR ID'")),
    _Advice("odoo.product_unmapped", "", _MAPPING.replace("{1}", "product").replace("{2}", "'INTERNAL REFERENCE OR ID'")),
    _Advice("odoo.amount_mismatch", "nothing was posted and the draft was removed", _DRAFT),
    _Advice("odoo.period_locked", "", _PERIOD),
    _Advice("odoo.refused", r"(?i)account .*(?:archived|deprecated)|deprecated account", _ARCHIVED),
    _Advice("odoo.other_company", "", _HIDDEN),
    _Advice("odoo.refused", r"No matching record found for database id '\d+' in field '([^']+)'", _GONE, "gone/{1}"),
    _Advice("odoo.record_missing", "", _GONE),
)
"""First match decides."""


def accounts_of(command: Command) -> tuple[Account, ...]:
    """Return the accounts a posting needs, in order."""
    match command.arguments:
        case PostDocument(lines=lines):
            return (*(line.account for line in lines), Account(AccountRole.ROUNDING), Account(AccountRole.RECEIVABLE))
        case PostEntry(lines=lines):
            return tuple(line.account for line in lines)
        case PostPayment(counterpart=counterpart):
            return (counterpart, Account(AccountRole.RECEIVABLE))
        case _:
            return ()


def advised(send: Send) -> Send:
    """Return the same delivery, whose refusals say what to do."""

    async def send_advised(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
        outcomes = await send(ctx, batch, bindings)
        by_id = {command.id: command for command in batch}
        return tuple(advise(ctx, by_id[outcome.command_id], outcome) for outcome in outcomes)

    return send_advised


def advise(ctx: Context, command: Command, outcome: Outcome) -> Outcome:
    """Return a refusal with its remedy and the cause it shares, settings named by where they stand; anything else as it is."""
    if outcome.status is not OutcomeStatus.REFUSED or outcome.remedy:
        return outcome
    place = f"connections.{ctx.connection}.companies.{command.entity}"
    message = re.sub(r"(?<![\w.])companies\.", f"connections.{ctx.connection}.companies.", outcome.message)
    for advice in _ADVICE:
        found = re.search(advice.words, message) if advice.code == outcome.code else None
        if found is not None:
            values = {"{place}": place, "{entity}": command.entity, "{accounts}": _accounts(ctx, command, place)}
            values |= {f"{{{number}}}": value for number, value in enumerate(found.groups(), start=1)}
            return replace(outcome, message=message, about=_filled(advice.about, values), remedy=_filled(advice.remedy, values))
    return replace(outcome, message=message)


def _accounts(ctx: Context, command: Command, place: str) -> str:
    """Return which accounts a posting needs, with their codes: Odoo's words do not always say which one it means."""
    company: CompanyConfig | None = ctx.settings.companies.get(command.entity) if isinstance(ctx.settings, OdooConfig) else None
    if company is None:
        return ""
    found = [f"{account} is {code}" for account in accounts_of(command) if (code := company.account_code(account))]
    return f" What is to be posted needs, by [{place}.accounts]: {'; '.join(dict.fromkeys(found))}." if found else ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
