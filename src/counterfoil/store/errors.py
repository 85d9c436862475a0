"""Errors of the store, each with a stable ``code`` and a message that says what to do next."""

from __future__ import annotations


class StoreError(Exception):
    """Something about the database or its keys has to be set right by a person before work can go on.

    ``detail``: what errors of one cause have in common, such as the id of the key that is missing.
    """

    def __init__(self, message: str, *, code: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail
