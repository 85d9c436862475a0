"""Records that merge, are deleted, come back, or leave the recycle bin."""

from __future__ import annotations

from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.core.facts.merge import Current
from counterfoil.core.kinds.company import Company, CompanyState
from counterfoil.core.kinds.contact import Contact, ContactState
from counterfoil.core.kinds.deal import Deal, DealState

from .sandboxed import DAY, ORG, deal_of, facts_of, key_of, opened, polled, state_of, states


async def test_a_merge_leads_from_the_loser_to_the_winner_and_its_contacts_follow() -> None:
    sandbox = SalesforceSandbox()
    winner, loser = sandbox.create("Account", Name="Blue Harbor"), sandbox.create("Account", Name="Blue Harbour")
    mira = sandbox.create("Contact", LastName="Sand", AccountId=loser.id)
    async with opened(sandbox, **DAY) as ctx:
        first, page = await polled(ctx)
        known: dict[str, Current] = {}
        states(await facts_of(ctx, first), known)
        sandbox.world.advance(5)
        sandbox.merge(winner, loser)
        found, page = await polled(ctx, page.cursor)
        after = states(await facts_of(ctx, found), known)
        merged, contact = after[key_of("company", loser.id)], after[key_of("contact", mira.id)]
        assert isinstance(merged, Company)
        assert isinstance(contact, Contact)
        assert (merged.state, merged.merged_into) == (CompanyState.MERGED, f"salesforce:{ORG}.{winner.id}")
        assert (merged.name, contact.company_ids) == ("Blue Harbour", (f"salesforce:{ORG}.{winner.id}",))


async def test_of_a_merged_contact_nothing_personal_is_kept() -> None:
    sandbox = SalesforceSandbox()
    winner = sandbox.create("Contact", LastName="Sand", Email="mira@x.example")
    loser = sandbox.create("Contact", LastName="Sande", Email="m.sand@x.example")
    sandbox.merge(winner, loser)
    async with opened(sandbox, **DAY) as ctx:
        merged = await state_of(ctx, "contact", loser.id)
        assert merged == Contact(f"salesforce:{ORG}.{loser.id}", "", ContactState.MERGED, merged_into=f"salesforce:{ORG}.{winner.id}")


async def test_a_deleted_account_is_deleted_with_what_belongs_to_it_and_restored_whole() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    mira = sandbox.create("Contact", LastName="Sand", AccountId=account.id)
    deal = deal_of(sandbox, account, 2)
    async with opened(sandbox, **DAY) as ctx:
        known: dict[str, Current] = {}
        found, page = await polled(ctx)
        before = states(await facts_of(ctx, found), known)
        sandbox.world.advance(5)
        sandbox.delete(account)
        found, page = await polled(ctx, page.cursor)
        gone = states(await facts_of(ctx, found), known)
        assert [str(getattr(gone[key], "state")) for key in  # noqa: B009 - each kind has one
                (key_of("company", account.id), key_of("contact", mira.id), key_of("deal", deal.id))] == ["deleted"] * 3  # fmt: skip
        sandbox.world.advance(5)
        sandbox.restore(account)
        found, _ = await polled(ctx, page.cursor)
        assert states(await facts_of(ctx, found), known) == before


async def test_a_record_that_left_the_recycle_bin_is_deleted_when_it_is_asked_for() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = deal_of(sandbox, account)
    async with opened(sandbox, **DAY) as ctx:
        found, _ = await polled(ctx)
        sandbox.world.purge(deal.id)
        record = states(await facts_of(ctx, found))[key_of("deal", deal.id)]
        assert record == Deal(f"salesforce:{ORG}.{deal.id}", "", DealState.DELETED)
