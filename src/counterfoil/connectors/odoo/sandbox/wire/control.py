"""The control interface under /_control: reset, companies, books, clock, settings, keys, and the interfering human."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from counterfoil.connectors.odoo.sandbox.apps import interference
from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.kit.sandbox import answered

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.server import OdooSandbox

STANDARD_COMPANIES = [["Northwind US", "USD", "US"], ["Nordwind DE", "EUR", "DE"], ["Kitakaze JP", "JPY", "JP"]]
Handler = Callable[[dict[str, Any]], Any]


class Control:
    """Handlers of the control interface of one sandbox."""

    def __init__(self, sandbox: OdooSandbox) -> None:
        self.sandbox = sandbox

    def routes(self, app: web.Application) -> None:
        """Add the routes."""
        posts: dict[str, Handler] = {
            "reset": self.reset,
            "companies": self.companies,
            "clock": self.clock,
            "settings": self.settings,
            "keys": self.keys,
            "users/invoicing": self.invoicing,
            "human": self.human,
        }
        for path, handler in posts.items():
            app.router.add_post(f"/_control/{path}", _asked(handler))
        app.router.add_get("/_control/books", _shown(lambda: self.sandbox.books()))
        app.router.add_get("/_control/clock", _shown(self.now))
        app.router.add_get("/_control/settings", _shown(self.shown_settings))
        app.router.add_get("/_control/webhooks", _shown(lambda: {"sent": self.sandbox.db.pushes}))

    def reset(self, _body: dict[str, Any]) -> Any:
        """Start over with a fresh database."""
        self.sandbox.reset()
        return self.sandbox.details()

    def companies(self, body: dict[str, Any]) -> Any:
        """Create companies, by default one in US dollars, one in euro, one in yen."""
        wanted = body.get("companies") or STANDARD_COMPANIES
        return {"companies": self.sandbox.add_companies([(c[0], c[1], c[2]) for c in wanted])}

    def now(self) -> Any:
        """Tell the server's time."""
        env = self.sandbox.env()
        return {"now": env.now, "today": env.today}

    def clock(self, body: dict[str, Any]) -> Any:
        """Set the date, or move the clock forward."""
        if body.get("today"):
            self.sandbox.set_today(body["today"])
        self.sandbox.advance(int(body.get("days", 0)), float(body.get("seconds", 0)))
        return self.now()

    def shown_settings(self) -> Any:
        """Tell the settings."""
        return vars(self.sandbox.db.settings)

    def settings(self, body: dict[str, Any]) -> Any:
        """Change settings: enterprise, documents_max, record_ms, call_ms."""
        current = self.sandbox.db.settings
        for name, value in body.items():
            if name not in vars(current):
                raise ValueError(f"unknown setting {name!r}; one of {', '.join(vars(current))}")
            setattr(current, name, type(getattr(current, name))(value))
        self.sandbox.apply_settings()
        return self.shown_settings()

    def keys(self, body: dict[str, Any]) -> Any:
        """Expire or restore an API key (default: the admin's)."""
        key = body.get("key") or self.sandbox.api_key
        expired = self.sandbox.db.expired
        expired.add(key) if body.get("expired", True) else expired.discard(key)
        return {"expired": sorted(expired)}

    def invoicing(self, _body: dict[str, Any]) -> Any:
        """Create the user who may only invoice."""
        return {"uid": self.sandbox.add_invoicing_user(), "login": "invoicing", "api_key": self.sandbox.invoicing_key}

    def human(self, body: dict[str, Any]) -> Any:
        """Let the human interfere once: ``{"action": ..., ...}``."""
        return {"result": interference.act(self.sandbox, body)}


def _asked(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    return answered(lambda _request, body: handler(body), OdooError, ValueError)


def _shown(read: Callable[[], Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    return answered(lambda _request, _body: read())
