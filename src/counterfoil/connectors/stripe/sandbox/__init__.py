"""Stripe's simulator. Import :class:`StripeSandbox` from here; it is loaded on first use, so importing the package costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import StripeSandbox

__all__ = ["StripeSandbox"]


def __getattr__(name: str) -> Any:
    """Load the simulator when its class is first asked for."""
    if name != "StripeSandbox":
        raise AttributeError(name)
    from .server import StripeSandbox

    return StripeSandbox
