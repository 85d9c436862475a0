"""Which records of two systems are one customer: rules that are certain first, then evidence that is weighed, each with its reasons. Pure.

``details`` (what a record says) become a ``Profile`` (put in one form); ``candidates`` finds the pairs worth comparing; ``rules`` and
``evidence`` say what speaks for and against a pair, ``judging`` its verdict, ``resolving`` who goes with whom; ``matcher`` is all of it.
The tables behind it (public suffixes, legal forms, tax numbers, countries, letters) come with libraries of pinned releases: ADR 50.
"""
