"""Settings of one Odoo connection: address, database, key, companies and what journals, accounts and taxes are called there."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from counterfoil.core.commands.books import Account, AccountRole

_ROLES = frozenset(role.value for role in AccountRole)


def _checked_role(key: str) -> str:
    if key.partition(":")[0] not in _ROLES:
        raise ValueError(
            f"{key!r} is not an account role; write one of {', '.join(sorted(_ROLES))}, with a qualifier as in clearing:billing_us"
        )
    return key


AccountKey = Annotated[str, AfterValidator(_checked_role)]


class CompanyConfig(BaseModel):
    """One entity's books: an Odoo company with its journals and accounts.

    Attributes:
        company: the company's name, or its database id.
        journals: role -> journal code. Roles: ``sales``, ``general``, and one per processor connection for its payments;
            ``out_of_band`` for money received outside any processor (left out: it is booked by an entry in ``general``).
        accounts: account role, with its qualifier where there are several (``clearing:billing_us``) -> account code.
        taxes: the name used in the hub's mappings -> the tax's name or database id in Odoo; left out: the same name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    company: str | int
    journals: dict[str, str] = Field(default_factory=dict)
    accounts: dict[AccountKey, str] = Field(default_factory=dict)
    taxes: dict[str, str | int] = Field(default_factory=dict)

    @field_validator("accounts", mode="before")
    @classmethod
    def _codes_as_text(cls, value: object) -> object:
        """Accept codes written as whole numbers: TOML users do."""
        if isinstance(value, dict):
            return {key: str(code) if isinstance(code, int) and not isinstance(code, bool) else code for key, code in value.items()}
        return value

    def account_code(self, account: Account) -> str | None:
        """Return the code configured for an account: by role and qualifier, else by role alone; None if there is none.

        The clearing account of a processor is never taken from another processor's.
        """
        if account.role is AccountRole.EXPLICIT:
            return account.qualifier
        return self.accounts.get(str(account)) or self.accounts.get(account.role.value)


class OdooIntake(BaseModel):
    """What taking deliveries needs: nothing, as Odoo has no signed webhooks and all are refused."""


class OdooConfig(BaseModel):
    """One Odoo database and how to work with it.

    Attributes:
        url: ``https://host``; the connector adds the paths.
        database: name of the Odoo database
        api_key: key of the integration user
        companies: by entity: its company, journals, accounts and taxes, see below
        capture_page_size: changed records read per call
        timeout_s: how long an answer is waited for
        login: the user the key belongs to (17 and 18 need it; 19 takes the user from the key).
        namespace: prefix of all external ids; must not be the name of an installed module.
        document_batch_size: invoices, credit notes, payments per call (flat above 50 to 100; keep a call below 15 s).
        entry_batch_size: journal entries and matches per call. master_batch_size: customers and products per call.
        concurrency: calls of one batch in flight at once; at most the server's workers less one for people.
        is_chatter_tracked: keep Odoo's field tracking while posting; posting then takes twice as long.
        lock_cache_s: how long read lock dates are trusted. catalog_cache_s: how long journals, accounts and taxes are; rates are looked
            after for each batch that needs them.
        capture_overlap_s: how far each capture window goes back, at least the
            longest request of the server (its ``limit_time_real``, by default 120 s).
        capture_late_s: how far back a second look goes, four times within it: changes of scripts and shells, which no limit ends, are
            seen if their transaction took at most three quarters of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^/]+(/.*)?$", examples=["https://example.odoo.com"])
    database: str
    login: str = ""
    api_key: SecretStr
    namespace: str = Field(default="counterfoil", pattern=r"^[a-z][a-z0-9_]*$", examples=["counterfoil"])
    companies: dict[str, CompanyConfig] = Field(default_factory=dict)
    document_batch_size: int = Field(default=100, ge=1, le=500)
    entry_batch_size: int = Field(default=200, ge=1, le=500)
    master_batch_size: int = Field(default=200, ge=1, le=1000)
    concurrency: int = Field(default=2, ge=1, le=16)
    is_chatter_tracked: bool = False
    lock_cache_s: float = Field(default=15.0, ge=0)
    catalog_cache_s: float = Field(default=60.0, ge=0)
    capture_overlap_s: int = Field(default=180, ge=120)
    capture_late_s: int = Field(default=7200, ge=600)
    capture_page_size: int = Field(default=1000, ge=10, le=2000)
    timeout_s: float = Field(default=120.0, gt=0)


def account_code(config: OdooConfig, entity: str, account: Account) -> str:
    """Return the code an account has in an entity's books; empty where Odoo takes it from a customer or a tax, or none is configured."""
    company = config.companies.get(entity)
    if company is None or account.role in (AccountRole.RECEIVABLE, AccountRole.TAX):
        return ""
    return company.account_code(account) or ""
