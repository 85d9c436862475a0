"""Plays small inputs from use against a running house: raw Stripe objects, signed deliveries, time, and people at work in Odoo.

An input is ``cases/<name>/input.json``, a list of steps, each with one of these keys:

- ``load``: objects put into the Stripe sandbox as they are (``POST /_control/objects``);
- ``deliver``: ``[event type, object]``, or ``[event type, object, "NOW-60"]`` for an event that happened at another time: a signed webhook;
- ``pause``: the hub comes to rest (the number of seconds is not waited for);
- ``clock``: both sides' clocks move on by so many seconds;
- ``poll``: the account is polled, and the hub comes to rest;
- ``odoo``: ``[model/method, {"ref": id at the source, ...arguments}]``: somebody's call on the record bound to that object. A value
  ``"account:121500"`` becomes the id of the company's account of that code.

Texts may hold ``RUN`` (unique per run), ``NOW``, ``NOW+60`` and ``NOW-60`` (the sandbox's time when the step is played; a number where it
is all of the text). What was right when an input was kept is a test's business, worked by hand.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.integration.path.house import SECRET, House

from counterfoil.connectors.stripe.wire import API_VERSION

INPUTS = Path(__file__).parent / "cases"
_runs = itertools.count(1)
_NOW = re.compile(r"NOW([+-]\d+)?")


@dataclass
class Played:
    """An input that was played: what it changed in the books of its entity, and how its objects are called."""

    house: House
    entity: str
    run: str
    before: Mapping[str, int]
    cases_before: frozenset[int]
    statuses: list[int] = field(default_factory=list)

    def id(self, template: str) -> str:
        """Return an id of the input as it was played, e.g. ``in_RUN``."""
        return template.replace("RUN", self.run)

    def key(self, name: str, template: str) -> str:
        """Return an external key, e.g. ``key("dispute_loss", "dp_RUN")``."""
        return f"{name}_stripe.{self.id(template)}"

    def change(self) -> dict[str, int]:
        """Return what the input changed, in minor units, by account role; roles that did not change are left out."""
        now = balances(self.house, self.entity)
        return {role: now[role] - self.before.get(role, 0) for role in now if now[role] != self.before.get(role, 0)}

    async def new_cases(self) -> list[Any]:
        """Return the cases that were opened since the input began and are open: but for whom of one input looks like another's customer."""
        cases = await self.house.cases()
        return [case for case in cases if case.id not in self.cases_before and case.code != "identity.may_be_one"]


def balances(house: House, entity: str) -> dict[str, int]:
    """Return the balances of an entity's accounts by role (``clearing`` without its connection), in minor units."""
    found: dict[str, int] = {}
    codes = house.provisioned.companies[entity].account_codes
    by_code = {row["code"]: int(row["balance_minor"]) for row in house.books(entity)["trial_balance"]}
    for role, code in codes.items():
        found[role.partition(":")[0]] = by_code.get(code, 0)
    return found


async def play(house: House, name: str, entity: str = "US", *, steps: Sequence[Mapping[str, Any]] | None = None) -> Played:
    """Play an input (or the given ``steps``) to its end, let the hub come to rest, and return what became of it."""
    wanted = json.loads((INPUTS / name / "input.json").read_text()) if steps is None else steps
    known = frozenset(case.id for case in await house.cases())
    played = Played(house, entity, f"{name.replace('-', '')[:12]}{next(_runs)}", balances(house, entity), known)
    async with aiohttp.ClientSession() as session:
        for number, step in enumerate(wanted):
            await _step(played, session, step, number)
    await house.settle()
    return played


async def _step(played: Played, session: aiohttp.ClientSession, given: Mapping[str, Any], number: int) -> None:
    house, account = played.house, played.house.accounts[played.entity]
    ((kind, value),) = _filled(played, given).items()
    match kind:
        case "load":
            house.stripe.load(value, account.id)
        case "deliver":
            event = _event(played, value, number)
            body = json.dumps(event).encode()
            headers = {"Stripe-Signature": _signature(body), "Content-Type": "application/json"}
            async with session.post(f"{house.intake}/in/{account.entity.connection}", data=body, headers=headers) as response:
                played.statuses.append(response.status)
        case "pause":
            await house.settle()
        case "clock":
            await house.later(seconds=value)
        case "poll":
            await house.poll(account.entity.connection)
            await house.settle()
        case "odoo":
            await _call(played, value)
        case _:
            raise ValueError(f"step {number} is a {kind!r}: no such kind")


def _filled(played: Played, value: Any) -> Any:
    match value:
        case dict():
            return {name: _filled(played, one) for name, one in value.items()}
        case list():
            return [_filled(played, one) for one in value]
        case str():
            found = _NOW.fullmatch(value)
            if found is not None:
                return played.house.stripe.now + int(found.group(1) or 0)
            return value.replace("RUN", played.run)
        case _:
            return value


def _event(played: Played, value: Sequence[Any], number: int) -> dict[str, Any]:
    kind, obj, *when = value
    return {
        "id": f"evt_{played.run}_{number}",
        "object": "event",
        "api_version": API_VERSION,
        "created": when[0] if when else played.house.stripe.now,
        "data": {"object": obj},
        "livemode": False,
        "pending_webhooks": 1,
        "request": None,
        "type": kind,
    }


def _signature(body: bytes) -> str:
    at = int(time.time())
    mark = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mark}"


async def _call(played: Played, value: Sequence[Any]) -> None:
    path, arguments = value
    model, _, method = path.partition("/")
    given = {name: _of_books(played, one) for name, one in arguments.items() if name != "ref"}
    company = played.house.provisioned.companies[played.entity].company_id
    ids = None
    if "ref" in arguments:
        names = [name for name in played.house.external_keys() if name.endswith(f"stripe.{arguments['ref']}")]
        env = played.house.odoo.env()
        ids = [row["res_id"] for row in env.rows("ir.model.data").values() if row["name"] in names and row["model"] == model]
        assert ids, f"nothing in the books is bound to {arguments['ref']}"
    await played.house.plain.call(model, method, ids, {"allowed_company_ids": [company]}, **given)


def _of_books(played: Played, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _of_books(played, one) for name, one in value.items()}
    if isinstance(value, str) and value.startswith("account:"):
        return _account_id(played, value.removeprefix("account:"))
    return value


def _account_id(played: Played, code: str) -> int:
    env, company = played.house.odoo.env(), played.house.provisioned.companies[played.entity].company_id
    rows = env.rows("account.account").values()
    return next(int(row["id"]) for row in rows if row["code"] == code and company in row["company_ids"])
