"""Names of things: object references, dependency keys and digests that stay the same over replays."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One object: the name of its kind and its canonical id.

    A canonical id is ``<namespace>:<source id>``, e.g. ``billing:in_1NX``. The namespace is the vendor's own id space and
    never the configured name of a connection: renaming a connection must not book anything twice.
    """

    kind: str
    id: str

    @property
    def key(self) -> str:
        """``kind/id``: the form used in dependency keys, shards and traces."""
        return f"{self.kind}/{self.id}"


_OTHER = re.compile(r"[^0-9A-Za-z._-]")
"""A character that no external key holds."""


def external_key(kind: str, object_id: str) -> str:
    """Return the deterministic external key of one document in a target, e.g. ``invoice_billing.in_1NX``.

    Only letters, digits, ``.``, ``_`` and ``-`` remain; any other character becomes ``-``. Ids that had to be changed get
    a short digest of the original, so that two different ids never share a key.
    """
    plain = object_id.replace(":", ".")
    clean = _OTHER.sub("-", plain)
    if clean != plain or object_id.count(":") != 1:
        clean = f"{clean}-{digest(object_id)[:8]}"
    return f"{kind}_{clean}"


def digest(*parts: str) -> str:
    """Return a 32-character hexadecimal digest of the parts; the parts cannot run into each other."""
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        h.update(len(data).to_bytes(8, "big"))
        h.update(data)
    return h.hexdigest()
