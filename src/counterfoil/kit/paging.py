"""Walking through pages with a bound, so that a target that never ends its list cannot keep a worker for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from counterfoil.kit.errors import TransientError


class HasCursor(Protocol):
    """A page: where the next one starts, and whether there is one."""

    @property
    def cursor(self) -> str:
        """Continues after this page."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether another page follows."""
        ...


P = TypeVar("P", bound=HasCursor)


async def pages(fetch: Callable[[str], Awaitable[P]], *, cursor: str = "", pages_max: int = 10_000) -> AsyncIterator[P]:
    """Yield pages from ``cursor`` on until one has no more, at most ``pages_max``.

    Raises TransientError (code ``paging.stuck``) if a page points to itself, (``paging.endless``) if more pages than allowed follow.
    """
    for _ in range(pages_max):
        page = await fetch(cursor)
        yield page
        if not page.has_more:
            return
        if page.cursor == cursor:
            raise TransientError("the page points to itself; stopped rather than read it for ever", code="paging.stuck")
        cursor = page.cursor
    raise TransientError(f"more than {pages_max} pages; stopped, go on from the last cursor", code="paging.endless")
