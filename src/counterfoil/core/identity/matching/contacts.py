"""E-mail addresses, domains and telephone numbers in one form. Pure."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

FREE_HOSTS = frozenset({
    "126.com", "163.com", "alice.it", "aol.com", "arcor.de", "att.net", "bellsouth.net", "bk.ru", "bluewin.ch", "bol.com.br",
    "btinternet.com", "centrum.cz", "charter.net", "comcast.net", "cox.net", "daum.net", "docomo.ne.jp", "earthlink.net",
    "email.com", "ezweb.ne.jp", "fastmail.com", "free.fr", "freenet.de", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de",
    "gmx.net", "googlemail.com", "hanmail.net", "hey.com", "hispeed.ch", "home.nl", "hotmail.co.uk", "hotmail.com", "hotmail.de",
    "hotmail.es", "hotmail.fr", "hotmail.it", "icloud.com", "inbox.ru", "interia.pl", "kpnmail.nl", "laposte.net", "libero.it",
    "list.ru", "live.co.uk", "live.com", "live.de", "live.fr", "live.nl", "mac.com", "mail.com", "mail.de", "mail.ru",
    "mailbox.org", "me.com", "msn.com", "naver.com", "neuf.fr", "ntlworld.com", "o2.pl", "onet.pl", "orange.fr", "outlook.com",
    "outlook.de", "outlook.es", "outlook.fr", "outlook.jp", "planet.nl", "pm.me", "posteo.de", "proton.me", "protonmail.com",
    "qq.com", "rambler.ru", "rocketmail.com", "sbcglobal.net", "seznam.cz", "sfr.fr", "sina.com", "sky.com", "skynet.be",
    "softbank.ne.jp", "t-online.de", "talktalk.net", "telenet.be", "terra.com.br", "tin.it", "tiscali.it", "tuta.io",
    "tutanota.com", "uol.com.br", "usa.com", "verizon.net", "virgilio.it", "virginmedia.com", "wanadoo.fr", "web.de", "wp.pl",
    "yahoo.co.in", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yahoo.com.br", "yahoo.de", "yahoo.es", "yahoo.fr", "yahoo.it",
    "yandex.com", "yandex.ru", "ymail.com", "ziggo.nl", "zoho.com",
})  # fmt: skip
"""Hosts whose mailboxes anybody may have: to share one proves nothing. Those left out are found by being shared by several records."""
_FREE_IN_MANY_COUNTRIES = frozenset(
    {"aol", "gmx", "googlemail", "hotmail", "live", "outlook", "rocketmail", "windowslive", "yahoo", "yandex", "ymail"}
)
"""Names under which such hosts are in nearly every country's domain: ``hotmail.com.br``, ``live.ca``, ``yahoo.com.mx``."""
_HOSTS_OF_PAGES = frozenset({
    "appleid.com", "duck.com", "facebook.com", "instagram.com", "linkedin.com", "linktr.ee", "mozmail.com", "onmicrosoft.com",
    "tiktok.com", "twitter.com", "wordpress.com", "x.com", "youtube.com",
})  # fmt: skip
"""Hosts of pages and of addresses that stand for another, each somebody else's, which the Public Suffix List does not have."""

_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
_HOST = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^/?#@]*@)?(?P<host>[^/?#:\s]+)", re.IGNORECASE)
_EXTENSION = re.compile(r"(?:ext|x|#|;).*$", re.IGNORECASE)
PHONE_DIGITS = 9
"""The last digits of a number that are compared: a country's prefix, a leading zero and how they are written do not matter then."""
_PHONE_DIGITS_MIN = 7


def email_of(text: str) -> str:
    """Return an e-mail address in lower case, without what follows a plus in its mailbox; empty: it is none."""
    found = _ADDRESS.search(text)
    if found is None:
        return ""
    mailbox, _, host = found[0].lower().rpartition("@")
    return f"{mailbox.partition('+')[0] or mailbox}@{host.rstrip('.')}"


@lru_cache(maxsize=65536)
def domain_of(text: str) -> str:
    """Return the domain somebody registered, of a web address, a host or an e-mail address; empty: none, or one that many have a part of.

    ``https://www.shop.acme.co.uk/en`` is ``acme.co.uk``; by the Public Suffix List.
    """
    found = _HOST.match(text.strip())
    host = found["host"].lower().rstrip(".") if found else ""
    if "." not in host:
        return ""
    registered = _suffixes().privatesuffix(host) or ""
    is_of_many = registered in FREE_HOSTS or registered in _HOSTS_OF_PAGES or registered.partition(".")[0] in _FREE_IN_MANY_COUNTRIES
    return "" if is_of_many else registered


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def phone_of(text: str) -> str:
    """Return the last digits of a telephone number, without its extension; empty: too few, or all the same."""
    digits = re.sub(r"\D", "", _EXTENSION.sub("", text))
    if len(digits) < _PHONE_DIGITS_MIN or len(set(digits)) == 1:
        return ""
    return digits[-PHONE_DIGITS:].lstrip("0")
