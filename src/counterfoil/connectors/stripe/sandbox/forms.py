"""Form encoding as Stripe reads it (``a[b]=c``, ``list[0]=x``, ``list[]=x``) and typed access to its string values."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl

from .errors import StripeError, invalid

Obj = dict[str, Any]

_DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,12})?")
_PART = re.compile(r"\[([^\]]*)\]")


def decode(text: str) -> Obj:
    """Return nested parameters. Lists come as dicts of positions while parsing and as lists at the end; empty values stay ``''``."""
    root: Obj = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=5000):
        head, bracket, rest = name.partition("[")
        parts = [head, *(_PART.findall(bracket + rest) if bracket else [])]
        node = root
        for part in parts[:-1]:
            node = _descend(node, part)
        last = parts[-1]
        node[str(len(node)) if last == "" else last] = value
    return {key: _listed(value) for key, value in root.items()}


def _descend(node: Obj, part: str) -> Obj:
    key = str(len(node)) if part == "" else part
    child = node.get(key)
    if not isinstance(child, dict):
        child = node[key] = {}
    return child


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(item) for key, item in value.items()}


def to_int(value: Any, param: str) -> int:
    """Return an integer parameter. Raises Stripe's parameter_invalid_integer."""
    if isinstance(value, bool):
        raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=param, is_stored=False)
    try:
        return int(value)
    except (TypeError, ValueError):
        raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=param, is_stored=False) from None


def to_bool(value: Any, param: str) -> bool:
    """Return a boolean parameter. Raises 400 for anything but true and false."""
    if isinstance(value, bool):
        return value
    if value in ("true", "True", "1"):
        return True
    if value in ("false", "False", "0"):
        return False
    raise StripeError(f"Invalid boolean: {value}", param=param, is_stored=False)


def to_decimal(value: Any, param: str) -> Fraction:
    """Return a decimal parameter exactly. Raises 400 for anything but plain decimal text."""
    text = str(value)
    if not _DECIMAL.fullmatch(text):
        raise invalid(f"Invalid decimal: {text}", param)
    return Fraction(text)


def to_text(value: Any) -> str | None:
    """Return a text parameter; the empty string unsets."""
    return None if value in ("", None) else str(value)


def as_list(value: Any) -> list[Any]:
    """Return a list parameter: given as list, as dict of positions, or empty (unset)."""
    if value in ("", None):
        return []
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=lambda k: int(k) if str(k).isdigit() else 0)]
    return list(value) if isinstance(value, list | tuple) else [value]


def as_dict(value: Any, param: str) -> Obj:
    """Return an object parameter; empty gives an empty object. Raises 400 for anything else."""
    if value in ("", None):
        return {}
    if not isinstance(value, dict):
        raise invalid("Invalid object", param)
    return value


_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def to_address(value: Any) -> Obj | None:
    """Return an address with all its fields, or None."""
    given = as_dict(value, "address")
    return {field: to_text(given.get(field)) for field in _ADDRESS} if given else None


def to_shipping(value: Any) -> Obj | None:
    """Return shipping details, or None."""
    given = as_dict(value, "shipping")
    if not given:
        return None
    return {"address": to_address(given.get("address")), "name": to_text(given.get("name")), "phone": to_text(given.get("phone"))}


def merge_metadata(current: Obj | None, given: Any) -> Obj:
    """Return metadata after a call: keys merge, an empty value removes its key, an empty object removes all."""
    if given in ("", None):
        return {}
    merged = dict(current or {})
    for key, value in as_dict(given, "metadata").items():
        if value in ("", None):
            merged.pop(key, None)
            continue
        if len(key) > 40 or len(str(value)) > 500:
            raise invalid(f"Metadata key or value too long: {key}", f"metadata[{key}]")
        merged[key] = str(value)
    if len(merged) > 50:
        raise invalid("Metadata can hold at most 50 keys.", "metadata")
    return merged
