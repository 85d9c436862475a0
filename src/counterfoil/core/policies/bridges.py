"""Between entities: money received by one entity for another's document is owed to it, in both books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.finance.entries import transfer_lines
from counterfoil.core.language.money import Money

from .booking import RECEIVABLE, EntityBooks, MatchableDocument


@dataclass(frozen=True, slots=True)
class Bridge:
    """Moves a customer's receivable from one entity's books to another's through the intercompany accounts.

    ``payer`` holds the processor's balance, ``owner`` the document that is paid or refunded. The two intercompany accounts
    (``intercompany:<the other entity>``) mirror each other, so both sides tie when they are eliminated.
    """

    payer: EntityBooks
    owner: EntityBooks
    object_id: str
    day: date

    def inbound(self, name: str, amount: Money) -> tuple[MatchableDocument, MatchableDocument]:
        """Book money the payer received for the owner: the payer's debit to match the payment with, the owner's credit for its invoice.

        Payer: Dr receivable / Cr intercompany. Owner: Dr intercompany / Cr receivable.
        """
        return self._book(name, amount)

    def outbound(self, name: str, amount: Money) -> tuple[MatchableDocument, MatchableDocument]:
        """Book money the payer gave back for the owner: the payer's credit for the refund, the owner's debit for its credit note.

        Payer: Dr intercompany / Cr receivable. Owner: Dr receivable / Cr intercompany.
        """
        return self._book(name, -amount)

    def _book(self, name: str, amount: Money) -> tuple[MatchableDocument, MatchableDocument]:
        payer, owner = self.payer, self.owner
        to_owner = Account(AccountRole.INTERCOMPANY, owner.entity.name)
        to_payer = Account(AccountRole.INTERCOMPANY, payer.entity.name)
        paid = transfer_lines(RECEIVABLE, to_owner, amount, debit_customer=payer.customer_id)
        owned = transfer_lines(to_payer, RECEIVABLE, amount, credit_customer=owner.customer_id)
        memo = f"between {payer.entity.name} and {owner.entity.name}: {self.object_id}"
        payer_side = payer.entry(f"{name}_payer", self.object_id, paid, self.day, memo=memo)
        owner_side = owner.entry(f"{name}_owner", self.object_id, owned, self.day, memo=memo)
        return payer_side, owner_side
