"""Made-up lists of companies as two systems keep them, with the truth of who is who: all is drawn from a seed.

Side A is as a billing system has it, side B as a sales system: names mistyped or shortened, legal forms left out or written otherwise, tax
ids missing, e-mail of a free host, addresses moved, telephones written otherwise; some companies twice on side B. Beside them stand those
that are easily taken for each other: sisters of one group in other countries with one domain, namesakes in other towns, a tax id that
another company gave for its own.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from stdnum import get_cc_module, luhn

COLUMNS = ("id", "name", "email", "website", "phone", "vat_id", "street", "city", "postal_code", "country")

_COUNTRIES = {
    "DE": ("Germany", "49", ("GmbH", "AG", "GmbH & Co. KG", "UG (haftungsbeschränkt)"), ("{street}straße {no}", "{street}weg {no}"), "de"),
    "GB": ("United Kingdom", "44", ("Ltd", "Limited", "PLC", "LLP"), ("{no} {street} Street", "{no} {street} Road"), "co.uk"),
    "FR": ("France", "33", ("SARL", "SAS", "S.A."), ("{no} rue {street}", "{no} avenue {street}"), "fr"),
    "NL": ("Netherlands", "31", ("B.V.", "N.V."), ("{street}straat {no}", "{street}laan {no}"), "nl"),
    "US": ("United States", "1", ("Inc.", "LLC", "Corp.", "Incorporated"), ("{no} {street} Avenue", "{no} {street} Drive"), "com"),
    "CH": ("Switzerland", "41", ("AG", "GmbH"), ("{street}gasse {no}", "{street}strasse {no}"), "ch"),
}
_SAME_FORMS = {
    "GmbH": ("GmbH", "G.m.b.H.", "gmbh"), "Ltd": ("Ltd", "Ltd.", "Limited"), "Limited": ("Limited", "Ltd"), "S.A.": ("SA", "S.A."),
    "B.V.": ("BV", "B.V."), "N.V.": ("NV", "N.V."), "Inc.": ("Inc", "Inc.", "Incorporated"), "Incorporated": ("Inc.", "Incorporated"),
    "LLC": ("LLC", "L.L.C."), "SARL": ("SARL", "S.A.R.L."), "Corp.": ("Corp", "Corporation"),
}  # fmt: skip
_TRADES = [
    "Software", "Systems", "Logistics", "Consulting", "Media", "Energy", "Foods", "Medical", "Solutions", "Services", "Trading",
    "Engineering", "Analytics", "Design", "Robotics", "Capital", "Digital", "Networks", "Labs", "Industries", "Partners",
    "Automation", "Transport", "Studio", "Security", "Plastics", "Optics", "Chemicals", "Textiles", "Tools",
]  # fmt: skip
_SHORTER = {"Solutions": "Soln", "Services": "Svcs", "International": "Intl", "Engineering": "Eng", "Industries": "Ind", "Systems": "Sys"}
_FREE = ("gmail.com", "gmx.de", "outlook.com", "yahoo.fr", "web.de")
_STARTS = [
    "b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "qu", "r", "s", "sch",
    "st", "t", "tr", "v", "w", "z",
]  # fmt: skip
_VOWELS = ["a", "e", "i", "o", "u", "ä", "ö", "ü", "ei", "au", "ie"]
_ENDS = ["ck", "l", "ld", "m", "n", "nd", "ng", "r", "rn", "rt", "s", "sk", "t", "tz", "v", "x"]


@dataclass(frozen=True, slots=True)
class Company:
    """One company as a system has it. ``truth``: which one it is."""

    truth: int
    stem: str
    form: str
    domain: str
    email: str
    phone: str
    vat_id: str
    street: str
    city: str
    postal_code: str
    country: str
    id: str = field(default="", compare=False)


class _World:
    """What the companies of one seed are drawn from."""

    def __init__(self, seed: int, size: int) -> None:
        self.chance = random.Random(seed)
        self.words = [self.word() for _ in range(max(400, size // 3))]
        self.cities = {country: [(self.word(), self.postal_code(country)) for _ in range(60)] for country in _COUNTRIES}
        self.streets = [self.word() for _ in range(900)]
        self.domains: set[str] = set()

    def word(self) -> str:
        chance = self.chance
        parts = [
            chance.choice(_STARTS) + chance.choice(_VOWELS) + (chance.choice(_ENDS) if chance.random() < 0.7 else "") for _ in range(2)
        ]
        return "".join(parts).capitalize()

    def postal_code(self, country: str) -> str:
        digits = self.chance.randint
        if country == "GB":
            return f"{self.chance.choice('ABDEGLMNS')}{digits(1, 20)}"
        return f"{digits(1000, 9999)}" if country in ("NL", "CH") else f"{digits(10000, 99999)}"

    def vat_id(self, country: str) -> str:
        """Return a tax id with right check digits."""
        for _ in range(2000):
            found = self._vat_id(country)
            if found:
                return found
        raise ValueError(f"no tax id found for {country}")

    def _vat_id(self, country: str) -> str:
        digits = f"{self.chance.randint(10_000_000, 99_999_999)}"
        if country == "US":
            return f"{self.chance.choice(('12', '20', '45', '83'))}-{digits[:7]}"
        if country == "FR":
            siren = digits + luhn.calc_check_digit(digits)
            return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"
        module = get_cc_module(country.lower(), "vat")
        assert module is not None
        for check in range(100):
            number = {"DE": f"{digits}{check % 10}", "GB": f"{digits[:7]}{check:02d}", "NL": f"{digits}{check % 10}B01",
                      "CH": f"CHE{digits}{check % 10}MWST"}[country]  # fmt: skip
            if module.is_valid(number):
                return f"{'' if country == 'CH' else country}{number}"
        return ""

    def address(self, country: str) -> tuple[str, str, str]:
        city, postal_code = self.chance.choice(self.cities[country])
        if country == "GB":
            postal_code += f" {self.chance.randint(1, 9)}{self.chance.choice('ABDEF')}{self.chance.choice('HJLNP')}"
        street = self.chance.choice(_COUNTRIES[country][3]).format(street=self.chance.choice(self.streets), no=self.chance.randint(1, 220))
        return street, city, postal_code

    def company(self, truth: int) -> Company:
        chance = self.chance
        country = chance.choices(tuple(_COUNTRIES), (30, 20, 12, 8, 25, 5))[0]
        rank = min(int(chance.paretovariate(0.45)), 10**9) % len(self.words)
        stem = f"{self.words[rank] if chance.random() < 0.3 else chance.choice(self.words)} {chance.choice(_TRADES)}"
        if chance.random() < 0.25:
            stem = f"{chance.choice(self.words)} {stem}"
        host = f"{_plain(stem.split()[0])}{chance.choice(('', '-' + _plain(stem.split()[-1])))}{chance.choice(('', truth))}"
        domain = f"{host}.{_COUNTRIES[country][4]}"
        if domain in self.domains:  # only one can have registered it
            domain = f"{host}-{truth}.{_COUNTRIES[country][4]}"
        self.domains.add(domain)
        street, city, postal_code = self.address(country)
        email = f"{chance.choice(('info', 'office', 'billing', 'accounts'))}@{domain}"
        if chance.random() < 0.15:
            email = f"{_plain(stem.replace(' ', '.'))}{truth}@{chance.choice(_FREE)}"
        phone = f"+{_COUNTRIES[country][1]} {chance.randint(20, 999)} {chance.randint(100000, 9999999)}"
        form = chance.choice(_COUNTRIES[country][2])
        return Company(truth, stem, form, domain, email, phone, self.vat_id(country), street, city, postal_code, country)


def _plain(text: str) -> str:
    for letter, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        text = text.lower().replace(letter, plain)
    return text


def _mistyped(text: str, chance: random.Random) -> str:
    """Return a text with one slip: a letter left out, doubled, exchanged with the next, or another."""
    at = chance.randrange(max(1, len(text) - 1))
    kind = chance.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[: at + 1] + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
    return text[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + text[at + 1 :]


def _as_kept_elsewhere(one: Company, world: _World) -> Company:
    """Return a company as the other system has it."""
    chance = world.chance
    stem, form = one.stem, one.form
    if chance.random() < 0.25:
        stem = _mistyped(stem, chance)
    if chance.random() < 0.15:
        stem = " ".join(_SHORTER.get(word, word) for word in stem.split())
    if chance.random() < 0.15:
        stem = stem.upper()
    if chance.random() < 0.3:
        stem = stem.translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    form = "" if chance.random() < 0.3 else chance.choice(_SAME_FORMS.get(form, (form,)))
    place = (one.street, one.city, one.postal_code)
    if chance.random() < 0.15:
        place = world.address(one.country)
    elif chance.random() < 0.2:
        place = (_mistyped(place[0], chance), place[1], place[2])
    digits = "".join(sign for sign in one.phone if sign.isdigit())
    email = one.email if chance.random() < 0.5 else f"{chance.choice(('hello', 'sales', 'team', 'contact'))}@{one.domain}"
    return replace(
        one,
        stem=stem,
        form=form,
        domain=one.domain if chance.random() < 0.6 else "",
        email=email if chance.random() < 0.7 else "",
        phone=(one.phone if chance.random() < 0.4 else f"00{digits}") if chance.random() < 0.6 else "",
        vat_id=(one.vat_id if chance.random() < 0.95 else _mistyped(one.vat_id, chance)) if chance.random() < 0.5 else "",
        street=place[0] if chance.random() < 0.85 else "",
        city=place[1],
        postal_code=place[2] if chance.random() < 0.9 else "",
    )


def _sister(one: Company, truth: int, world: _World) -> Company:
    """Return another company of the same group, in another country."""
    country = world.chance.choice([name for name in _COUNTRIES if name != one.country])
    other = world.company(truth)
    street, city, postal_code = world.address(country)
    form = world.chance.choice(_COUNTRIES[country][2])
    other = replace(other, street=street, city=city, postal_code=postal_code, country=country, vat_id=world.vat_id(country))
    return replace(other, stem=one.stem, form=form, domain=one.domain, email=f"{country.lower()}@{one.domain}")


def _namesake(one: Company, truth: int, world: _World) -> Company:
    """Return a company that has nothing in common with another but its name and country."""
    other = world.company(truth)
    street, city, postal_code = world.address(one.country)
    other = replace(other, street=street, city=city, postal_code=postal_code, country=one.country, vat_id=world.vat_id(one.country))
    return replace(other, stem=one.stem, form=one.form)


def companies(seed: int, size: int) -> tuple[list[Company], list[Company]]:
    """Return two sides of about ``size`` records each; six in ten of side A are on side B. Records of one ``truth`` are one company."""
    world = _World(seed, size)
    chance = world.chance
    left, right = [], []
    for truth in range(size):
        one = world.company(truth)
        left.append(one if chance.random() < 0.7 else replace(one, vat_id=""))
        if chance.random() < 0.6:
            right.append(_as_kept_elsewhere(one, world))
            if chance.random() < 0.04:
                right.append(_as_kept_elsewhere(one, world))
        if chance.random() < 0.05:
            right.append(_sister(one, size + truth, world))
        if chance.random() < 0.03:
            right.append(_namesake(one, 2 * size + truth, world))
        if chance.random() < 0.01:
            right.append(replace(_as_kept_elsewhere(world.company(3 * size + truth), world), vat_id=one.vat_id))
    while len(right) < size:
        right.append(_as_kept_elsewhere(world.company(4 * size + len(right)), world))
    chance.shuffle(right)
    return (
        [replace(one, id=f"A{place}") for place, one in enumerate(left)],
        [replace(one, id=f"B{place}") for place, one in enumerate(right)],
    )


def rows(side: list[Company]) -> Iterator[tuple[str, ...]]:
    """Yield companies as rows of ``COLUMNS``."""
    for place, one in enumerate(side):
        country = one.country if place % 2 else _COUNTRIES[one.country][0]
        website = f"https://www.{one.domain}/" if one.domain and place % 3 else one.domain
        yield (
            one.id,
            f"{one.stem} {one.form}".strip(),
            one.email,
            website,
            one.phone,
            one.vat_id,
            one.street,
            one.city,
            one.postal_code,
            country,
        )


def write(folder: Path, seed: int, size: int) -> set[tuple[str, str]]:
    """Write ``A.csv`` and ``B.csv`` and return the pairs of ids that are one company."""
    left, right = companies(seed, size)
    for name, side in (("A", left), ("B", right)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows(side))
    by_truth: dict[int, list[str]] = {}
    for one in right:
        by_truth.setdefault(one.truth, []).append(one.id)
    return {(one.id, other) for one in left for other in by_truth.get(one.truth, [])}


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
