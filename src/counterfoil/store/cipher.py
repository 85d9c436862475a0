"""Encryption of payloads at rest: AES-256-GCM envelopes under keys named by id.

An envelope is one flag byte (0: as is, 1: zlib), a random 96-bit nonce, the ciphertext and its 16-byte tag. The flag and the caller's
context (``aad``: what the payload belongs to) are authenticated with it, so a payload cannot be moved to another row.
A key is good for 2**32 envelopes (NIST SP 800-38D, section 8.3: random nonces); rotate by putting a new key first.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import zlib
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import StoreError
from .home import make_home

COMPRESS_FROM_BYTES = 128
SMALL_BYTES = 4096
"""Payloads up to this length are compressed with a window and tables of that size: setting up those for long ones took four times as long
as compressing a record, and does not make it smaller."""
KEY_VARIABLE = "COUNTERFOIL_ENCRYPTION_KEYS"
KEY_FILE_VARIABLE = "COUNTERFOIL_ENCRYPTION_KEYS_FILE"
KEY_FILE = "encryption.keys"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_LOOKUP_BYTES = 16
_PLAIN = b"\x00"
_ZLIB = b"\x01"


class Cipher:
    """Encrypts with the writing key, decrypts with any known one. Key objects are kept: making one costs more than using it."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take the keys by id, 32 bytes each; the first is for writing. Raises StoreError for none or a wrong length."""
        if not keys:
            raise StoreError(f"no encryption key given; set {KEY_VARIABLE} to id:base64", code="store.key_missing")
        for key_id, key in keys.items():
            if len(key) != _KEY_BYTES:
                raise StoreError(f"encryption key {key_id!r} has {len(key)} bytes; give 32, as base64", code="store.key_invalid")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.key_id = next(iter(keys))
        self._writer = self._keys[self.key_id]
        self._lookup_keys = {key_id: hmac.digest(key, b"counterfoil lookup", "sha256") for key_id, key in keys.items()}

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the known keys, the writing one first."""
        return tuple(self._keys)

    def encrypt_under(self, key_id: str, body: bytes, aad: str) -> bytes:
        """Return the envelope of a body under one of the known keys. Raises KeyError: it is not known."""
        nonce = os.urandom(_NONCE_BYTES)
        return _PLAIN + nonce + self._keys[key_id].encrypt(nonce, body, _PLAIN + aad.encode())

    def encrypt(self, body: bytes, aad: str) -> tuple[str, bytes]:
        """Return the writing key's id and the envelope of body, bound to aad."""
        flag, packed = _PLAIN, body
        if len(body) >= COMPRESS_FROM_BYTES:
            smaller = _compressed(body)
            if len(smaller) < len(body):
                flag, packed = _ZLIB, smaller
        nonce = os.urandom(_NONCE_BYTES)
        return self.key_id, flag + nonce + self._writer.encrypt(nonce, packed, flag + aad.encode())

    def lookup(self, text: str) -> str:
        """Return the keyed digest under which something is found again without being readable: case and spaces do not matter."""
        return _lookup(self._lookup_keys[self.key_id], text)

    def lookups(self, text: str) -> list[str]:
        """Return the digests of a text under every known key."""
        return [_lookup(key, text) for key in self._lookup_keys.values()]

    def decrypt(self, key_id: str, envelope: bytes, aad: str) -> bytes:
        """Return the body of an envelope.

        Raises:
            StoreError: the key is not known (code ``store.key_unknown``), or the envelope was changed or belongs to another row
                (``store.payload_damaged``).
        """
        key = self._keys.get(key_id)
        if key is None:
            known = ", ".join(sorted(self._keys))
            raise StoreError(
                f"payload of {aad} is encrypted with key {key_id!r}, which is not configured (known: {known}); add it to {KEY_VARIABLE}",
                code="store.key_unknown",
                detail=key_id,
            )
        flag, nonce = envelope[:1], envelope[1 : 1 + _NONCE_BYTES]
        try:
            packed = key.decrypt(nonce, envelope[1 + _NONCE_BYTES :], flag + aad.encode())
        except (InvalidTag, ValueError) as error:
            message = f"payload of {aad} does not match its tag: it was changed or belongs to another row; restore it from a backup"
            raise StoreError(message, code="store.payload_damaged", detail=key_id) from error
        return zlib.decompress(packed) if flag == _ZLIB else packed


def _compressed(body: bytes) -> bytes:
    window_bits, memory_level = (12, 5) if len(body) <= SMALL_BYTES else (15, 8)
    compressor = zlib.compressobj(6, zlib.DEFLATED, window_bits, memory_level)
    return compressor.compress(body) + compressor.flush()


def _lookup(key: bytes, text: str) -> str:
    return hmac.digest(key, " ".join(text.casefold().split()).encode(), "sha256")[:_LOOKUP_BYTES].hex()


def parse_keys(text: str) -> dict[str, bytes]:
    """Read ``id:base64,id2:base64``; the first is for writing. Raises StoreError naming the wrong entry, never its secret."""
    keys: dict[str, bytes] = {}
    for position, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon or not key_id or key_id in keys:
            raise StoreError(f"encryption key {position} is not of the form id:base64 or repeats an id", code="store.key_invalid")
        try:
            keys[key_id] = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise StoreError(f"encryption key {key_id!r} is not valid base64", code="store.key_invalid") from error
    return keys


def load_cipher(home: Path, environment: Mapping[str, str], *, may_make: bool = True) -> Cipher:
    """Return the cipher by the environment, or by the key file in the home directory, made on first run (mode 0600).

    The environment holds the keys (COUNTERFOIL_ENCRYPTION_KEYS) or names a file that does (COUNTERFOIL_ENCRYPTION_KEYS_FILE), which is
    never made: of several hosts each would make another key, and what one writes no other could read. ``may_make``: whether the home's
    own file may be made; not where the database holds payloads already, which a new key could not read.

    Raises:
        StoreError: a key is wrong (``store.key_invalid``), or the file cannot be read or is missing (``store.key_missing``).
    """
    text = given_keys(environment)
    if not text:
        path = home / KEY_FILE
        if not path.exists():
            if not may_make:
                raise StoreError(
                    f"the database holds payloads that only its former key can read, and {path} is missing: put that file back, or give its"
                    f" text by {KEY_VARIABLE}. A new key is not made, as it could read none of them",
                    code="store.key_missing",
                )
            _create_key_file(path)
        text = path.read_text().strip()
    return Cipher(parse_keys(text))


def fresh_key() -> tuple[str, str]:
    """Return a fresh key's id and its entry ``id:base64``. Ids are drawn by chance, so that the keys of two homes can be given together."""
    key_id = f"k{secrets.token_hex(4)}"
    return key_id, f"{key_id}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def given_keys(environment: Mapping[str, str]) -> str:
    """Return the text of the keys the environment gives; empty if it gives none. Raises StoreError: the file it names cannot be read."""
    text = environment.get(KEY_VARIABLE, "").strip()
    name = environment.get(KEY_FILE_VARIABLE, "")
    if text or not name:
        return text
    try:
        text = Path(name).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{KEY_FILE_VARIABLE}: {name} cannot be read: {error.strerror}; mount the keys there"
        raise StoreError(message, code="store.key_missing") from None
    if not text:
        raise StoreError(f"{KEY_FILE_VARIABLE}: {name} is empty; put id:base64 there", code="store.key_missing")
    return text


def _create_key_file(path: Path) -> None:
    """Write a fresh key; of two processes that do so at once the first wins, and a crash leaves no half file."""
    make_home(path.parent)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{fresh_key()[1]}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
