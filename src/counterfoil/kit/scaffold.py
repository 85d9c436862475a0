"""Writes the skeleton of a new connector: a folder that already works against its own sandbox and passes the conformance suite.

The texts are in ``templates/connector``; ``$name``, ``$Name``, ``$option`` and ``$package`` in them are filled in. What stands between
``#reads`` (or ``#writes``, ``#no reads``, ``#no writes``, ``#reads and writes``) and ``#end`` is of connectors that do, or do not.
"""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from counterfoil.kit.errors import SetupError

FILES = {
    "__init__.py": "__init__.py",
    "config.py": "config.py",
    "wire.py": "wire.py",
    "client.py": "client.py",
    "pull.py": "pull.py",
    "webhooks.py": "webhooks.py",
    "normalize.py": "normalize.py",
    "deliver.py": "deliver.py",
    "sandbox.py": "sandbox/__init__.py",
    "tests_init.py": "tests/__init__.py",
    "tests_conformance.py": "tests/test_conformance.py",
    "tests_normalize.py": "tests/test_normalize.py",
    "readme.md": "README.md",
    "codes.md": "codes.md",
    "settings.md": "settings.md",
}
"""Each template and the file it becomes. Flat, so that the test files are packed with the rest."""


READING = frozenset({"wire.py", "pull.py", "webhooks.py", "normalize.py", "tests_normalize.py"})
"""Templates of what reads alone."""
WRITING = frozenset({"deliver.py"})
"""Templates of what writes alone."""
_BLOCK = re.compile(r"^#(no )?(reads|writes|reads and writes)\n(.*?)^#end\n", re.MULTILINE | re.DOTALL)


def write_connector(
    name: str, dest: Path, package: str = "counterfoil.connectors", *, does_read: bool = True, does_write: bool = True
) -> tuple[Path, ...]:
    """Write the folder ``dest/name`` and return its files.

    Args:
        name: lower-case word, the connector's name and its folder's.
        dest: the folder of the package it goes into.
        package: dotted name of that package, as the connector's files import each other by it.
        does_read: whether it is a source.
        does_write: whether it is a target; it is one of the two at least.

    Raises:
        SetupError: it has no half, the name is not a lower-case word, the package is not a dotted name, or the folder is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name) or keyword.iskeyword(name):
        raise SetupError(f"{name!r} cannot be a connector's name; take a lower-case word such as acme", code="connector.name")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in package.split(".")):
        raise SetupError(f"{package!r} is not the name of a package", code="connector.package")
    if not (does_read or does_write):
        raise SetupError("a connector that neither reads nor writes is none; leave one of the two options out", code="connector.halves")
    folder = dest / name
    if folder.exists():
        raise SetupError(f"{folder} is there already; nothing was written", code="connector.exists")
    title = "".join(part.capitalize() for part in name.split("_"))
    words = {"name": name, "Name": title, "package": f"{package}.{name}", "option": name.replace("_", "-")}
    templates = files("counterfoil.kit") / "templates" / "connector"
    written = []
    has = {"reads": does_read, "writes": does_write, "reads and writes": does_read and does_write}
    for template, target in files_of(does_read=does_read, does_write=does_write).items():
        text = _BLOCK.sub(
            lambda found: found[3] if has[found[2]] != bool(found[1]) else "", (templates / f"{template}.tmpl").read_text("utf-8")
        )
        text = Template(text).substitute(words)
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        written.append(path)
    return tuple(written)


def files_of(*, does_read: bool, does_write: bool) -> dict[str, str]:
    """Return the templates of a connector with these halves and the files they become."""
    left_out = (frozenset() if does_read else READING) | (frozenset() if does_write else WRITING)
    return {template: target for template, target in FILES.items() if template not in left_out}
