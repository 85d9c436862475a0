"""What kind of Odoo is connected: version, modules, fields. Differences between versions and editions are data, found once per process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterfoil.connectors.odoo.client import OdooClient, rpc, to_database
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, RejectedError, SetupError
from counterfoil.kit.http import HttpClient

MAJORS = (17, 18, 19, 20)
PROVEN = ((17, 0), (18, 0), (19, 0))
"""Versions this connector was run against; what others say of themselves is read, and their sandbox is written from their documents."""
_STATE_KEY = "odoo.session"

_PROBED: Mapping[str, tuple[str, ...]] = {
    "account.payment": ("memo", "ref", "outstanding_account_id"),
    "account.account": ("company_ids", "company_id", "active", "deprecated"),
    "account.move": ("origin_payment_id", "payment_id", "document_tax_mode"),
    "product.product": ("detailed_type",),
    "res.partner": ("is_company",),
    "res.company": (
        "user_fiscalyear_lock_date",
        "user_sale_lock_date",
        "user_tax_lock_date",
        "user_hard_lock_date",
        "fiscalyear_lock_date",
        "period_lock_date",
        "tax_lock_date",
    ),
}

_TO_BE_WRITTEN = frozenset({"is_company"})
"""Probed fields that are of use only where they may be written."""

_SALE_LOCKS = ("user_fiscalyear_lock_date", "user_sale_lock_date", "user_tax_lock_date", "user_hard_lock_date")
_SALE_LOCKS_17 = ("fiscalyear_lock_date", "period_lock_date", "tax_lock_date")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this Odoo says things that differ between 17, 18, 19 and Enterprise.

    Attributes:
        version: as the server prints it. major: 17, 18, 19 or later.
        minor: that of an Online version between two (19.2), else 0.
        modules: names of installed modules; None: the integration user may not read them.
        payment_memo: field of a payment for our text. account_company: field that ties an account to companies.
        account_is_off: domain that finds accounts out of use.
        move_payment: field of a move that names its payment. product_type: field of a product's type.
        lock_fields: company fields whose latest date is the last locked day; ``*_tax_*`` and ``*_sale_*`` count for documents only.
    """

    version: str
    major: int
    modules: frozenset[str] | None
    fields: Mapping[str, frozenset[str]]
    minor: int = 0

    @property
    def is_proven(self) -> bool:
        """Whether this connector was run against this version."""
        return (self.major, self.minor) in PROVEN

    @property
    def checks_vat(self) -> bool:
        """Whether Odoo refuses VAT ids it calls invalid: where base_vat is installed, and always from 20 on."""
        return self.has("base_vat") or self.major >= 20

    @property
    def payment_memo(self) -> str:
        """The payment's field for our text."""
        return "memo" if "memo" in self.fields["account.payment"] else "ref"

    @property
    def account_company(self) -> str:
        """The account's field that names its company or companies."""
        return "company_ids" if "company_ids" in self.fields["account.account"] else "company_id"

    @property
    def has_deprecated(self) -> bool:
        """Whether an account out of use is marked deprecated (17, 18) instead of inactive."""
        return "deprecated" in self.fields["account.account"]

    @property
    def move_payment(self) -> str:
        """The move's field that names its payment."""
        return "origin_payment_id" if "origin_payment_id" in self.fields["account.move"] else "payment_id"

    @property
    def product_type(self) -> str:
        """The product's field that says service or goods."""
        return "detailed_type" if "detailed_type" in self.fields["product.product"] else "type"

    @property
    def writes_is_company(self) -> bool:
        """Whether a partner can be told to be a company; from 20 on Odoo works that out."""
        return "is_company" in self.fields["res.partner"]

    @property
    def has_tax_mode(self) -> bool:
        """Whether a document says itself if its prices include taxes (Online 19.4, 20)."""
        return "document_tax_mode" in self.fields["account.move"]

    @property
    def lock_fields(self) -> tuple[str, ...]:
        """The company's lock dates that concern us (18, 19: those in force for the calling user, exceptions included)."""
        known = self.fields["res.company"]
        wanted = _SALE_LOCKS if "user_fiscalyear_lock_date" in known else _SALE_LOCKS_17
        return tuple(name for name in wanted if name in known)

    def has(self, module: str) -> bool:
        """Whether a module is known to be installed."""
        return self.modules is not None and module in self.modules


@dataclass(frozen=True, slots=True)
class Session:
    """A detected Odoo: the client that speaks to it and its dialect; ``connection``: its configured name, for messages."""

    client: OdooClient
    dialect: Dialect
    settings: OdooConfig
    connection: str = "NAME"

    def place(self, entity: str) -> str:
        """Return where an entity's company stands in the configuration file."""
        return f"connections.{self.connection}.companies.{entity}"


async def connect(ctx: Context) -> Session:
    """Return the session of a connection, detecting it on first use. Raises SetupError if this is no Odoo we know, TransientError."""
    known = ctx.state.get(_STATE_KEY)
    if isinstance(known, Session):
        return known
    session = replace(await _detect(ctx.http, ctx.settings), connection=ctx.connection)
    ctx.state[_STATE_KEY] = session
    return session


def forget(ctx: Context) -> None:
    """Drop what was detected, so that the next call detects anew."""
    ctx.state.pop(_STATE_KEY, None)


async def _detect(http: HttpClient, settings: OdooConfig) -> Session:
    version, major, minor = await _version(http, settings)
    if major not in MAJORS:
        raise SetupError(f"Odoo {version} is not supported; supported are {', '.join(map(str, MAJORS))}", code="odoo.version_unsupported")
    is_json2 = major >= 19
    uid = 0 if is_json2 else await _log_in(http, settings)
    client = OdooClient(http, settings, is_json2=is_json2, uid=uid)
    fields = {model: await _known_fields(client, model, names) for model, names in _PROBED.items()}
    return Session(client, Dialect(version, major, await _modules(client), fields, minor), settings)


async def _version(http: HttpClient, settings: OdooConfig) -> tuple[str, int, int]:
    """Ask ``common.version``: it needs no key, and 17 and 18 have nothing else; where JSON-RPC is gone (from 22 on), ``/web/version``."""
    try:
        info = await rpc(http, settings, "common", "version", [], where="common.version")
    except (RejectedError, SetupError) as error:
        info = await _web_version(http, settings)
        if info is None:
            raise SetupError(f"the address does not answer as Odoo: {error}. Check url", code="odoo.not_odoo") from error
    if not isinstance(info, dict) or "server_version" not in info:
        raise SetupError("the address does not answer as Odoo: common.version has no server_version. Check url", code="odoo.not_odoo")
    parts = info.get("server_version_info") or [info["server_version"]]
    return str(info["server_version"]), major_of(parts[0]), minor_of(parts)


async def _web_version(http: HttpClient, settings: OdooConfig) -> dict[str, Any] | None:
    """Return what ``/web/version`` says, in the words of ``common.version``; None if it says nothing."""
    try:
        response = await http.request("GET", "/web/version", headers=to_database(settings), is_write=False)
        found = response.json() if "json" in response.headers.get("Content-Type", "") else None
    except HubError:
        return None
    if not isinstance(found, dict) or "version" not in found:
        return None
    return {"server_version": found["version"], "server_version_info": found.get("version_info")}


def major_of(part: Any) -> int:
    """Return the major number of a ``server_version_info`` part: 19, "19.0" or "saas~18" (hosted, in between); 0 if unreadable."""
    digits = str(part).removeprefix("saas~").split(".")[0]
    return int(digits) if digits.isdigit() else 0


def minor_of(parts: Sequence[Any]) -> int:
    """Return the minor number of ``server_version_info``: 2 of ``["saas~19", 2, ...]``, Online's 19.2; 0 of a yearly version."""
    return parts[1] if len(parts) > 1 and isinstance(parts[1], int) else 0


async def _log_in(http: HttpClient, settings: OdooConfig) -> int:
    """Return the user's id. Never repeated in a loop: five failures lock the address out for a minute."""
    if not settings.login:
        raise SetupError("Odoo 17 and 18 need the login of the key's user; set login", code="odoo.login_missing")
    arguments = [settings.database, settings.login, settings.api_key.get_secret_value()]
    uid = await rpc(http, settings, "common", "login", arguments, where="common.login")
    if not isinstance(uid, int) or isinstance(uid, bool) or uid <= 0:
        raise SetupError("Odoo refused login and API key; set valid ones", code="odoo.unauthorized")
    return uid


async def _known_fields(client: OdooClient, model: str, names: tuple[str, ...]) -> frozenset[str]:
    """Return which of the fields the model has. A model that does not exist or may not be seen has none."""
    try:
        found = await client.call(model, "fields_get", allfields=list(names), attributes=["type", "readonly"])
    except SetupError as error:
        if error.code in ("odoo.unsupported", "odoo.forbidden"):
            return frozenset()
        raise
    return frozenset(name for name in names if name in found and not (name in _TO_BE_WRITTEN and found[name].get("readonly")))


async def _modules(client: OdooClient) -> frozenset[str] | None:
    """Return the installed modules' names, None if the user may not read them."""
    try:
        rows = await client.call("ir.module.module", "search_read", domain=[["state", "=", "installed"]], fields=["name"])
    except HubError as error:
        if error.code == "odoo.forbidden":
            return None
        raise
    return frozenset(str(row["name"]) for row in rows)
