"""One record among all that are known, by an index of the keys they bear: the same rules as between two lists. Pure.

The index is asked for the bearers of each of the record's keys, a few of each; whoever shares enough of them is compared. All that are
known are one side, the record the other: what two of them bear proves nothing, unless those two are one customer already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from math import log2

from .candidates import SHARES, keys_of
from .frequencies import Feature, Frequencies, values_of
from .judging import STRONG_BITS, Judgment, MatchVerdict, Thresholds, are_duplicates, is_in_doubt, judge, prior_bits
from .profiles import Profile
from .resolving import resolved

BEARERS_MAX = 50
"""A key that more than so many others bear is none: as between two lists."""
COMPARED_MAX = 30
"""Records compared with one: those that share the most with it."""
_LESS_BITS = 3.0
"""How much less the shared keys may tell than it takes to find one among all: one bit less than between two lists of half the size."""
_LETTERS = {
    Feature.EXTERNAL: "x", Feature.TAX: "t", Feature.NATIONAL_ID: "i", Feature.EMAIL: "e", Feature.DOMAIN: "d",
    Feature.DOMAIN_AND_NAME: "D", Feature.PHONE: "p", Feature.NAME: "n", Feature.WORD: "w", Feature.BORN_ON: "b", Feature.STREET: "s",
    Feature.CITY: "K", Feature.POSTAL_CODE: "Z", Feature.STATE: "U", Feature.COUNTRY: "Y",
}  # fmt: skip
"""What keys of values begin with; those of small letters and ``D`` find a record, the others are only counted."""
_COUNTED = (Feature.CITY, Feature.POSTAL_CODE, Feature.STATE, Feature.COUNTRY)


def finding_keys(profile: Profile) -> set[str]:
    """Return the keys by which an index finds a record: those of two lists, and of each domain with the name."""
    return keys_of(profile) | {f"D{domain}/{profile.name}" for domain in profile.domains if profile.name}


def counted_keys(profile: Profile) -> set[str]:
    """Return the keys of what many bear: they find nobody, and only how many bear them matters."""
    return {_key(feature, value) for feature, value in values_of(profile) if feature in _COUNTED}


def _key(feature: Feature, value: str) -> str:
    number = value.partition(":")[2] if feature is Feature.TAX else value
    return _LETTERS[feature] + number


def likely(keys: Collection[str], bearers: Mapping[str, Sequence[str]], records: int) -> list[str]:
    """Return the records that share enough of some keys to be compared, those that share the most first.

    Args:
        keys: of the record that is asked for.
        bearers: the ids of the others that bear each; of a key that more than ``BEARERS_MAX`` bear, more than so many or none.
        records: how many are known, the one that is asked for with them.
    """
    found: dict[str, float] = {}
    for key in sorted(keys):
        ids = bearers.get(key, ())
        if 0 < len(ids) <= BEARERS_MAX:
            weight = log2(max(1.0, records / (len(ids) + 1))) * SHARES.get(key[0], 1.0)
            for id in ids:
                found[id] = found.get(id, 0.0) + weight
    needed = log2(max(1, records)) - _LESS_BITS
    enough = sorted((-weight, id) for id, weight in found.items() if weight >= needed)
    return [id for _, id in enough[:COMPARED_MAX]]


def often_asked(profiles: Iterable[Profile]) -> set[str]:
    """Return the keys of all values of some records, of which it matters how many bear them."""
    return {_key(feature, value) for profile in profiles for feature, value in values_of(profile)}


def frequencies_among(
    asked: Profile,
    others: Sequence[Profile],
    bearers: Mapping[str, Sequence[str]],
    often: Mapping[str, int],
    records: int,
    head_of: Callable[[str], str],
) -> Frequencies:
    """Return how often each value of some records is borne: by the one that is asked for, and by all others.

    Args:
        asked: the record that is asked for.
        others: those it is compared with.
        bearers: see ``likely``.
        often: of keys that many bear, how many, as far as it is known.
        records: how many are known.
        head_of: the id of the customer a record is, by its own: several that are one count once, and those that are the one asked for not.
    """
    borne_by = {one.id: set(values_of(one)) for one in others}
    mine, own = set(values_of(asked)), head_of(asked.id)
    counted: dict[tuple[Feature, str], tuple[int, int]] = {}
    for feature, value in mine.union(*borne_by.values()):
        key, has = _key(feature, value), int((feature, value) in mine)
        ids = {id for id, values in borne_by.items() if (feature, value) in values}
        ids |= {id for id in bearers.get(key, ()) if id not in borne_by} if has else set()
        heads = {head_of(id) for id in ids} - {own}
        counted[feature, value] = (has, max(len(heads), often.get(key, 0) - has))
    return Frequencies.counted(records, counted)


def judged(
    asked: Profile,
    others: Sequence[Profile],
    seen: Frequencies,
    records: int,
    thresholds: Callable[[str], Thresholds],
    are_one: Callable[[str, str], bool],
) -> list[Judgment]:
    """Return what a record and each of those it is compared with are taken for, the surest first.

    Several may be one with it: whoever may be by himself stays for people, also where another is the same more surely. So it does not
    matter which of two is asked for.

    Args:
        asked: the record that is asked for; it is the left one of each pair.
        others: those it is compared with.
        seen: how often values are borne.
        records: how many are known.
        thresholds: from which scores on, by the other's id.
        are_one: whether two of the others are known to be one customer.
    """
    prior = prior_bits(records, records)
    found = [judge(asked, one, seen, prior, thresholds(one.id)) for one in others]

    def duplicates(one: Profile, other: Profile) -> bool:
        return are_one(one.id, other.id) or are_duplicates(one, other, seen, prior, thresholds(one.id))

    alone = {one.right.id for one in found if one.verdict is not MatchVerdict.DIFFERENT}
    told = resolved(found, duplicates)
    return [_for_people(one) if one.right.id in alone else one for one in told]


def doubted(
    asked: Profile, others: Iterable[Profile], seen: Frequencies, records: int, thresholds: Callable[[str], Thresholds]
) -> list[Judgment]:
    """Return those of the others that were taken for one with a record, and by what both say now do not look so; see ``judged``."""
    prior = prior_bits(records, records)
    return [told for one in others if is_in_doubt(told := judge(asked, one, seen, prior, thresholds(one.id)))]


def _for_people(one: Judgment) -> Judgment:
    return replace(one, verdict=MatchVerdict.REVIEW) if one.verdict is MatchVerdict.DIFFERENT else one


def speaking_for(one: Judgment) -> AbstractSet[tuple[str, str, str]]:
    """Return what clearly speaks for the two being one: what is compared and both values, in whichever order the two stand."""
    strong = [piece for piece in one.evidence if piece.bits >= STRONG_BITS]
    return {(piece.about, min(piece.left, piece.right), max(piece.left, piece.right)) for piece in strong}
