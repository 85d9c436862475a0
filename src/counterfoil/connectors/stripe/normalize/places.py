"""Postal addresses and tax jurisdictions, in canonical terms."""

from __future__ import annotations

from counterfoil.connectors.stripe import wire
from counterfoil.core.kinds.customer import Address


def address_of(address: wire.Address) -> Address:
    """Return the canonical address; what is not given is empty."""
    return Address(
        line1=address.line1 or "",
        line2=address.line2 or "",
        city=address.city or "",
        state=address.state or "",
        postal_code=address.postal_code or "",
        country=address.country or "",
    )


def jurisdiction_of(rate: wire.TaxRate) -> str:
    """Return whose tax it is: the rate's own jurisdiction, else its country, with its state (``US-CA``)."""
    if rate.jurisdiction:
        return rate.jurisdiction
    return "-".join(part for part in (rate.country, rate.state) if part)
