"""The control interface under ``/_control`` and the same in Python: load, accounts, clock, deliveries, entries, trouble, books.

README.md documents it with examples.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from counterfoil.kit.sandbox import Sandbox, answered

from . import disputes, ledger, payouts, refunds
from .book_totals import totals_of
from .endpoints import new_destination, new_endpoint, versions
from .errors import StripeError
from .forms import Obj
from .keys import Key, Ring
from .limits import Memory, RateLimit, Trouble, Troubles
from .loading import load_objects
from .webhooks import Courier
from .world import LATEST, Account, Cause, World

_Answer = Callable[["Control", web.Request, Obj], Awaitable[Any]]
_ROUTES: list[tuple[str, str, _Answer]] = []


def _on(method: str, path: str) -> Callable[[_Answer], _Answer]:
    def register(answer: _Answer) -> _Answer:
        _ROUTES.append((method, f"/_control{path}", answer))
        return answer

    return register


class Control(Sandbox):
    """The part of the sandbox class that steers it; :class:`StripeSandbox` adds the API."""

    def __init__(self, seed: int, begin: int) -> None:
        super().__init__(seed)
        self.seed = seed
        self.begin = begin
        self.world = World(seed, begin)
        self.courier = Courier(self.world, seed)
        self._build()

    def _build(self) -> None:
        """Begin with an empty world; the courier and its policy stay."""
        self.world = World(self.seed, self.begin)
        self.courier.world = self.world
        self.courier.forget()
        self.world.journal.versions = versions
        self.world.journal.publish = self.courier.publish
        self.keys = Ring()
        self.limits = RateLimit()
        self.memory = Memory()
        self.troubles = Troubles()

    def control(self, app: web.Application) -> None:
        """Add the control routes."""
        for method, path, answer in _ROUTES:
            app.router.add_route(method, path, answered(partial(answer, self), StripeError))

    def add_account(
        self,
        account_id: str,
        country: str,
        currency: str,
        api_key: str,
        *,
        name: str = "",
        api_version: str = LATEST,
        settlement: Sequence[str] = (),
        rates: Mapping[str, str] | None = None,
        **terms: Any,
    ) -> Account:
        """Open an account and return it.

        Args:
            account_id: ``acct_...``.
            country: ISO 3166 alpha-2.
            currency: default and settlement currency, ISO 4217 in lower case.
            api_key: the key that names this account.
            name: shown on invoices and statements.
            api_version: default version; events are rendered in it.
            settlement: more currencies that are settled without conversion.
            rates: settlement currency per unit of a presentment currency in major units, decimal text (``{"eur": "1.0842"}``).
            terms: fields of :class:`Terms` (fees, availability, payouts, dunning).

        Raises:
            ValueError: a term that does not exist.
        """
        account = self.world.add_account(account_id, country, currency.lower(), api_key, api_version, tuple(settlement))
        account.name = name
        self.keys.keys[api_key] = Key(account)
        self.set_terms(account_id, rates=rates or {}, **terms)
        return account

    def set_terms(self, account_id: str, *, rates: Mapping[str, str] | None = None, **terms: Any) -> None:
        """Change what an account pays and when, and its exchange rates. Raises ValueError for an unknown term."""
        account = self.world.accounts[account_id]
        known = msgspec.to_builtins(account.terms)
        if set(terms) - set(known):
            raise ValueError(f"unknown terms: {', '.join(sorted(set(terms) - set(known)))}")
        account.terms = msgspec.convert(known | terms, type(account.terms))
        for currency, rate in (rates or {}).items():
            account.rates[currency.lower()] = Fraction(rate)

    def add_key(self, api_key: str, account_id: str = "", scopes: Mapping[str, str] | None = None) -> None:
        """Give an account one more key; ``scopes`` (``{"invoices": "read"}``) restricts it."""
        self.keys.keys[api_key] = Key(self.account(account_id), scopes)

    def revoke_key(self, api_key: str) -> None:
        """Let a key expire: calls with it get 401. Raises KeyError for one that does not exist."""
        self.keys.keys[api_key].is_revoked = True

    @property
    def now(self) -> int:
        """The sandbox's clock, Unix seconds."""
        return self.world.timeline.now

    def set_clock(self, to: int | datetime) -> int:
        """Move the clock forward, doing everything that falls due, and return how many things did. Raises ValueError for the past."""
        self.world.cause = Cause()
        return self.world.timeline.advance(int(to.timestamp()) if isinstance(to, datetime) else to)

    def advance(self, seconds: int) -> int:
        """Move the clock forward by some seconds."""
        return self.set_clock(self.now + seconds)

    def account(self, account_id: str = "") -> Account:
        """Return an account, the first one without an id. Raises KeyError."""
        return self.world.accounts[account_id] if account_id else next(iter(self.world.accounts.values()))

    def load(self, objects: Iterable[Obj], account_id: str = "") -> dict[str, int]:
        """Keep raw API objects as they are, without events, and return how many of each kind were kept."""
        return load_objects(self.account(account_id), objects)

    def add_webhook(
        self,
        url: str,
        account_id: str = "",
        *,
        enabled_events: Sequence[str] = ("*",),
        api_version: str | None = None,
        secret: str = "",
        is_thin: bool = False,
    ) -> str:
        """Register a webhook and return its signing secret; ``is_thin`` sends v2 thin events instead of snapshots."""
        account = self.account(account_id)
        if is_thin:
            given = {"webhook_endpoint": {"url": url}, "enabled_events": list(enabled_events), "name": "thin", "event_payload": "thin"}
            endpoint = new_destination(account, given)
        else:
            endpoint = new_endpoint(account, url, list(enabled_events), api_version, secret)
        if secret:
            endpoint["_secrets"] = [secret]
        return str(endpoint["_secrets"][0])

    def rotate_secret(self, endpoint_id: str, account_id: str = "", *, keeps_old: bool = True) -> str:
        """Give a webhook a new secret; while the old one is kept, deliveries carry a signature for each."""
        endpoint = _endpoint(self.account(account_id), endpoint_id)
        fresh = f"whsec_{self.world.ids.letters(32)}"
        endpoint["_secrets"] = [fresh, *endpoint["_secrets"][:1]] if keeps_old else [fresh]
        return fresh

    async def deliver(self, steps: Sequence[Obj], url: str, secret: str) -> list[Obj]:
        """Deliver events to an address strictly in the given order and return the outcomes.

        Each step has ``event`` (id), optionally ``delay_s`` before it, ``version`` to render in, ``secret``, and ``is_thin``.
        """
        outcomes = []
        for step in steps:
            event = self.world.journal.by_id[step["event"]]
            if step.get("delay_s"):
                await asyncio.sleep(float(step["delay_s"]))
            endpoint = {
                "_secrets": [step.get("secret") or secret],
                "_version": step.get("version") or event.api_version,
                "event_payload": "thin" if step.get("is_thin") else "snapshot",
            }
            outcomes.append(
                {"event": event.id, "type": event.type} | await self.courier.post_event(event, step.get("url") or url, endpoint)
            )
        return outcomes

    def adjust(self, kind: str, amount: int, currency: str, description: str, account_id: str = "") -> Obj:
        """Add a balance entry Stripe makes on its own (``stripe_fee``, ``adjustment``, ``tax_fee``...) and return it."""
        return ledger.adjust(self.account(account_id), kind, amount, currency.lower(), description)

    def open_dispute(self, charge_id: str, reason: str = "fraudulent", account_id: str = "") -> Obj:
        """Dispute a charge; reason ``inquiry`` moves no money."""
        account = self.account(account_id)
        return disputes.open_dispute(account, account.get("charge", charge_id), reason)

    def resolve_dispute(self, dispute_id: str, status: str, account_id: str = "") -> Obj:
        """End a dispute: ``won``, ``lost`` or ``warning_closed``."""
        account = self.account(account_id)
        return disputes.resolve(account, account.get("dispute", dispute_id), status)

    def fail_payout(self, payout_id: str, account_id: str = "", code: str = "account_closed") -> Obj:
        """Fail a payout, paid or not."""
        account = self.account(account_id)
        return payouts.fail(account, account.get("payout", payout_id), code)

    def fail_refund(self, refund_id: str, account_id: str = "") -> Obj:
        """Fail a refund after the fact."""
        account = self.account(account_id)
        refund = account.get("refund", refund_id)
        refunds.fail(account, refund, "expired_or_canceled_card")
        return refund

    def books(self) -> list[Obj]:
        """Return, per account, kind of object and currency, the number of objects and the sum of their amounts, and the balances."""
        return [totals_of(account) for account in self.world.accounts.values()]

    def reset(self) -> None:
        """Forget everything and begin anew with the same seed and start; deliveries go on being made."""
        self._build()
        self.switch.faults.clear()


def _endpoint(account: Account, endpoint_id: str) -> Obj:
    found = account.find(endpoint_id, "webhook_endpoint") or account.find(endpoint_id, "v2.core.event_destination")
    if found is None:
        raise KeyError(endpoint_id)
    return found


def _shown(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key[0] != "_"}


@_on("POST", "/objects")
async def _post_objects(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    return {"loaded": sandbox.load(given["objects"], given.get("account", ""))}


@_on("POST", "/accounts")
async def _post_account(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    account = sandbox.add_account(given.pop("id"), given.pop("country"), given.pop("currency"), given.pop("api_key"), **given)
    return {"id": account.id, "api_key": account.api_key}


@_on("POST", "/accounts/{id}")
async def _post_terms(sandbox: Control, request: web.Request, given: Obj) -> Any:
    sandbox.set_terms(request.match_info["id"], **given)
    return msgspec.to_builtins(sandbox.account(request.match_info["id"]).terms)


@_on("POST", "/keys")
async def _post_key(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    if given.get("is_revoked"):
        sandbox.revoke_key(given["api_key"])
    else:
        sandbox.add_key(given["api_key"], given.get("account", ""), given.get("scopes"))
    return {"api_key": given["api_key"]}


@_on("GET", "/clock")
async def _get_clock(sandbox: Control, _request: web.Request, _given: Obj) -> Any:
    return {"now": sandbox.now, "next_due": sandbox.world.timeline.next_due()}


@_on("POST", "/clock")
async def _post_clock(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    fired = sandbox.set_clock(given["to"]) if "to" in given else sandbox.advance(given["advance"])
    return {"now": sandbox.now, "fired": fired}


@_on("POST", "/webhooks")
async def _post_webhook(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    return {"secret": sandbox.add_webhook(given.pop("url"), given.pop("account", ""), **given)}


@_on("POST", "/webhooks/{id}/rotate")
async def _post_rotate(sandbox: Control, request: web.Request, given: Obj) -> Any:
    return {"secret": sandbox.rotate_secret(request.match_info["id"], given.get("account", ""), keeps_old=given.get("keeps_old", True))}


@_on("GET", "/deliveries/policy")
async def _get_policy(sandbox: Control, _request: web.Request, _given: Obj) -> Any:
    return sandbox.courier.policy


@_on("POST", "/deliveries/policy")
async def _post_policy(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    return sandbox.courier.set_policy(**given)


@_on("GET", "/deliveries")
async def _get_deliveries(sandbox: Control, request: web.Request, _given: Obj) -> Any:
    wanted = request.query.get("status")
    shown = [d.as_json() for d in sandbox.courier.deliveries if wanted in (None, d.status)]
    return {"deliveries": shown, "summary": sandbox.courier.summary()}


@_on("POST", "/deliveries/drain")
async def _post_drain(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    return await sandbox.courier.drain(is_fast_forwarded=given.get("is_fast_forwarded", True), timeout_s=given.get("timeout_s", 60.0))


@_on("POST", "/deliveries/resend")
async def _post_resend(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    statuses = given.get("statuses", ["lost", "failed"])
    return {"resent": sandbox.courier.resend([d for d in sandbox.courier.deliveries if d.status in statuses])}


@_on("POST", "/deliver")
async def _post_deliver(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    steps = [step if isinstance(step, dict) else {"event": step} for step in given["events"]]
    return {"outcomes": await sandbox.deliver(steps, given["url"], given["secret"])}


@_on("GET", "/events")
async def _get_events(sandbox: Control, request: web.Request, _given: Obj) -> Any:
    account = sandbox.account(request.query.get("account", ""))
    wanted = request.query.get("type")
    events = sandbox.world.journal.events.get(account.id, [])
    return {
        "events": [
            {"id": e.id, "type": e.type, "object": e.object_id, "created": e.created, "undelivered": e.undelivered, "thin": e.thin_id}
            for e in events
            if wanted in (None, e.type)
        ]
    }


@_on("POST", "/entries")
async def _post_entry(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    return _shown(sandbox.adjust(given["type"], given["amount"], given["currency"], given.get("description", ""), given.get("account", "")))


@_on("POST", "/disputes")
async def _post_dispute(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    return _shown(sandbox.open_dispute(given["charge"], given.get("reason", "fraudulent"), given.get("account", "")))


@_on("POST", "/disputes/{id}")
async def _post_resolution(sandbox: Control, request: web.Request, given: Obj) -> Any:
    return _shown(sandbox.resolve_dispute(request.match_info["id"], given["status"], given.get("account", "")))


@_on("POST", "/payouts/{id}/fail")
async def _post_payout_failure(sandbox: Control, request: web.Request, given: Obj) -> Any:
    return _shown(sandbox.fail_payout(request.match_info["id"], given.get("account", "")))


@_on("POST", "/refunds/{id}/fail")
async def _post_refund_failure(sandbox: Control, request: web.Request, given: Obj) -> Any:
    return _shown(sandbox.fail_refund(request.match_info["id"], given.get("account", "")))


@_on("POST", "/limits")
async def _post_limits(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    sandbox.limits = RateLimit(float(given.get("global_per_s", 0)), float(given.get("endpoint_per_s", 0)))
    return {"global_per_s": sandbox.limits.global_per_s, "endpoint_per_s": sandbox.limits.endpoint_per_s}


@_on("POST", "/troubles")
async def _post_trouble(sandbox: Control, _request: web.Request, given: Obj) -> Any:
    trouble = Trouble(**given)
    sandbox.troubles.armed.append(trouble)
    return trouble


@_on("DELETE", "/troubles")
async def _delete_troubles(sandbox: Control, _request: web.Request, _given: Obj) -> Any:
    sandbox.troubles.armed.clear()
    return {}


@_on("GET", "/books")
async def _get_books(sandbox: Control, _request: web.Request, _given: Obj) -> Any:
    return {"now": sandbox.now, "accounts": sandbox.books()}


@_on("POST", "/reset")
async def _post_reset(sandbox: Control, _request: web.Request, _given: Obj) -> Any:
    sandbox.reset()
    return {"now": sandbox.now}
