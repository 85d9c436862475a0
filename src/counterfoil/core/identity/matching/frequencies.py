"""How often each value is borne on either side: what few bear tells much, what several bear proves nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from math import log2
from typing import NamedTuple

from .profiles import Profile


class Feature(IntEnum):
    """What of a record is compared, by value."""

    EXTERNAL = 0
    TAX = 1
    NATIONAL_ID = 2
    EMAIL = 3
    DOMAIN = 4
    DOMAIN_AND_NAME = 5
    PHONE = 6
    NAME = 7
    WORD = 8
    BORN_ON = 9
    STREET = 10
    CITY = 11
    POSTAL_CODE = 12
    STATE = 13
    COUNTRY = 14


class _Scale(NamedTuple):
    """Where nothing is known yet, one of ``usual`` records bears a value; ``bits_max`` is the most that agreeing on one tells."""

    usual: int
    bits_max: float


_SCALES: dict[Feature, _Scale] = {
    Feature.EXTERNAL: _Scale(1_000_000, 22),
    Feature.TAX: _Scale(1_000_000, 20),
    Feature.NATIONAL_ID: _Scale(1_000_000, 20),
    Feature.EMAIL: _Scale(100_000, 17),
    Feature.DOMAIN: _Scale(50_000, 14),
    Feature.DOMAIN_AND_NAME: _Scale(50_000, 14),
    Feature.PHONE: _Scale(100_000, 15),
    Feature.NAME: _Scale(50_000, 18),
    Feature.WORD: _Scale(4_000, 13),
    Feature.BORN_ON: _Scale(20_000, 14),
    Feature.STREET: _Scale(10_000, 13),
    Feature.CITY: _Scale(300, 9),
    Feature.POSTAL_CODE: _Scale(1_000, 11),
    Feature.STATE: _Scale(10, 3),
    Feature.COUNTRY: _Scale(4, 2),
}
_WEIGHT = 200
"""With how many records the usual frequency counts against what is seen."""

_RIGHT = 1 << 32


class Frequencies:
    """Of each value how many records of the left and of the right side bear it."""

    def __init__(self) -> None:
        self._borne: tuple[dict[str, int], ...] = tuple({} for _ in Feature)
        self._records = [0] * len(Feature)
        self._bits: tuple[dict[int, float], ...] = tuple({} for _ in Feature)

    @classmethod
    def counted(cls, records: int, borne: Mapping[tuple[Feature, str], tuple[int, int]]) -> Frequencies:
        """Return frequencies that were counted elsewhere, among so many records: of each value how many of either side bear it."""
        found = cls()
        found._records = [records] * len(Feature)
        for (feature, value), (left, right) in borne.items():
            found._borne[feature][value] = left + right * _RIGHT
        return found

    def add(self, profile: Profile, *, is_right: bool) -> None:
        """Count a record's values, each once."""
        one = _RIGHT if is_right else 1
        seen = 0
        for feature, value in values_of(profile):
            borne = self._borne[feature]
            borne[value] = borne.get(value, 0) + one
            if not seen >> feature & 1:
                seen |= 1 << feature
                self._records[feature] += 1

    def borne(self, feature: Feature, value: str) -> tuple[int, int]:
        """Return how many records of the left and of the right side bear a value."""
        both = self._borne[feature].get(value, 0)
        return both & (_RIGHT - 1), both >> 32

    def bits(self, feature: Feature, value: str) -> float:
        """Return what agreeing on a value tells, in bits: the logarithm of one by the share of other records that bear it.

        The pair that agrees is left out: so what it tells does not fall when records come in that do not bear the value.
        """
        both = self._borne[feature].get(value, 0)
        others = max(0, (both & (_RIGHT - 1)) + (both >> 32) - 2)
        known = self._bits[feature]
        found = known.get(others)
        if found is None:
            scale = _SCALES[feature]
            share = (others + _WEIGHT / scale.usual) / (max(0, self._records[feature] - 2) + _WEIGHT)
            found = known[others] = max(0.0, min(scale.bits_max, -log2(share)))
        return found


NOTHING_SEEN = Frequencies()
"""Where it does not matter how often a value is borne."""


def values_of(profile: Profile) -> Iterator[tuple[Feature, str]]:
    """Yield the values of a record that are counted."""
    yield from ((Feature.EXTERNAL, one) for one in profile.external)
    yield from ((Feature.TAX, one.key) for one in profile.tax)
    yield from ((Feature.DOMAIN, one) for one in profile.domains)
    name = profile.name
    if name:
        yield Feature.NAME, name
        yield from ((Feature.DOMAIN_AND_NAME, f"{one}/{name}") for one in profile.domains)
        yield from ((Feature.WORD, one) for one in profile.words)
    for feature, value in (
        (Feature.NATIONAL_ID, profile.national_id),
        (Feature.EMAIL, profile.email),
        (Feature.PHONE, profile.phone),
        (Feature.BORN_ON, profile.born_on),
        (Feature.STREET, profile.street),
        (Feature.CITY, profile.city),
        (Feature.POSTAL_CODE, profile.postal_code),
        (Feature.STATE, profile.state),
        (Feature.COUNTRY, profile.country),
    ):
        if value:
            yield feature, value


def frequencies_of(left: Iterable[Profile], right: Iterable[Profile]) -> Frequencies:
    """Return how often each value is borne on two sides."""
    found = Frequencies()
    for profile in left:
        found.add(profile, is_right=False)
    for profile in right:
        found.add(profile, is_right=True)
    return found
