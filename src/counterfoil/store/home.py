"""The home folder: made where it is needed, with words that name it where it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

from counterfoil.store.errors import StoreError


def make_home(home: Path) -> None:
    """Make the folder if it is not there. Raises StoreError if it cannot be made, or not be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(home, f"cannot be made: {error.strerror}") from None


def try_home(home: Path) -> None:
    """See whether the folder can be made and leave nothing behind. Raises StoreError."""
    missing = [one for one in (home, *home.parents) if not one.exists()]
    make_home(home)
    for one in missing:
        one.rmdir()
    if not missing and not os.access(home, os.W_OK | os.X_OK):
        raise _unusable(home, "cannot be written by this user")


def _unusable(home: Path, why: str) -> StoreError:
    return StoreError(f"home: the folder {home} {why}; set [hub] home to a folder that this user may write", code="store.home_unusable")
