"""A served org, the vendor's community library on it, and a plain client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox


class Loopback(HTTPAdapter):
    """Takes every call of a library that speaks HTTPS alone to the simulator, which does not."""

    def __init__(self, sandbox: SalesforceSandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    def send(self, request: requests.PreparedRequest, *given: Any, **named: Any) -> requests.Response:
        path = (request.url or "").split("/", 3)[3]
        request.url = f"{self._sandbox.url}/{path}"
        return super().send(request, *given, **named)


@pytest.fixture
async def sandbox() -> AsyncIterator[SalesforceSandbox]:
    found = SalesforceSandbox(has_currencies=True)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
def session(sandbox: SalesforceSandbox) -> requests.Session:
    found = requests.Session()
    found.mount("https://", Loopback(sandbox))
    return found
