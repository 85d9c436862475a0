"""What the program writes about itself: structured lines to stderr, without secrets or personal data, the same line not again and again."""

from __future__ import annotations

import logging
import os
import sys

import structlog

from counterfoil.app.repeats import Repeats, RepeatsFilter


def configure(level: int = logging.INFO) -> None:
    """Write structured lines of at least this level to stderr."""
    repeats = Repeats()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            repeats.structured,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    of_libraries = logging.StreamHandler(sys.stderr)
    of_libraries.addFilter(RepeatsFilter(repeats))
    logging.basicConfig(level=logging.WARNING, handlers=[of_libraries])


def quiet() -> None:
    """Write only errors: for commands whose own words are what people read. COUNTERFOIL_LOG=info tells more."""
    configure(getattr(logging, os.environ.get("COUNTERFOIL_LOG", "error").upper(), logging.ERROR))


def working() -> None:
    """Write warnings and errors: for a process that works for long. COUNTERFOIL_LOG=info tells more."""
    configure(getattr(logging, os.environ.get("COUNTERFOIL_LOG", "warning").upper(), logging.WARNING))
