"""What was wished, by its key."""

from __future__ import annotations

from tests.core.builders import (
    World,
)

from counterfoil.core.commands.books import PostDocument


def document(books: World, key: str) -> PostDocument:
    """Return the arguments of the document wished under a key."""
    arguments = books.wishes["odoo", key].command.arguments
    assert isinstance(arguments, PostDocument)
    return arguments
