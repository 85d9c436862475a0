"""What the program logs while a test runs."""

from __future__ import annotations

import logging
from typing import Any

import structlog


class Journal:
    """Keeps every line the program logs, structured or not, as text."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._handler = logging.Handler()
        self._handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]

    def open(self) -> None:
        """Take structured lines from DEBUG on, and the standard library's from INFO on."""
        structlog.configure(
            processors=[structlog.processors.format_exc_info, self._keep],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            cache_logger_on_first_use=False,
        )
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().addHandler(self._handler)

    def close(self) -> None:
        """Give the log back."""
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger().removeHandler(self._handler)
        structlog.reset_defaults()

    def _keep(self, _logger: Any, _method: str, event: Any) -> Any:
        self.lines.append(" ".join(f"{key}={value}" for key, value in event.items()))
        raise structlog.DropEvent
