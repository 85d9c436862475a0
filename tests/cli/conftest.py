"""The program run in this process on a database of its own, and the sandboxes in a process of theirs."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Ended, invoke
from tests.conftest import Server

PLAIN = """\
[entities.de]
target = "books"
currency = "EUR"
time_zone = "Europe/Berlin"

[connections.books]
connector = "files"
inbox = "inbox"
outbox = "outbox"
namespace = "files"

[connections.stripe_de]
connector = "stripe"
api_key = { env = "TEST_STRIPE_KEY" }
webhook_secrets = [{ env = "TEST_STRIPE_SECRET" }]
account = "acct_sandbox"

[[routes]]
entity = "de"
connection = "stripe_de"

[mappings.tax.de]
"7|exclusive" = "VAT 7"
"""


_numbers = itertools.count(1)


@dataclass(frozen=True)
class Program:
    """The program in a folder with its configuration file."""

    folder: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "counterfoil.toml"

    def configure(self, text: str) -> None:
        """Write the configuration file; the hub's home lies beside it."""
        self.config.write_text(f'[hub]\nhome = "{self.folder / "home"}"\n\n{text}', "utf-8")

    def run(self, *arguments: str) -> Ended:
        """Run a command that takes --config."""
        return self.bare(*arguments, "--config", str(self.config))

    def bare(self, *arguments: str) -> Ended:
        """Run a command with just these arguments."""
        return invoke(*arguments)


@pytest.fixture
def database(database_template: Server) -> Iterator[str]:
    """Yield the URL of a fresh database that the program has opened today already."""
    with database_template.database(f"cli_{os.getpid()}_{next(_numbers)}", opened_at=datetime.now(UTC)) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Program:
    """Return the program in an empty folder, without a database."""
    return Program(tmp_path)


@pytest.fixture
def program(folder: Program, database: str, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with a plain configuration and a fresh database."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database)
    folder.configure(PLAIN)
    return folder


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[dict[str, dict[str, Any]]]:
    """Serve Stripe's and Odoo's sandboxes for the session; yield their details."""
    command = [
        sys.executable,
        "-m",
        "counterfoil",
        "sandbox",
        "up",
        "--only",
        "stripe,odoo",
        "--json",
        "--until-stdin-closes",
        "--clock",
        "still",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        yield json.loads(text)
        process.stdin.close()
