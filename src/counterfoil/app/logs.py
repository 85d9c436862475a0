"""What the program writes about itself: structured lines to stderr, without secrets or personal data."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure(level: int = logging.INFO) -> None:
    """Write structured lines of at least this level to stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def quiet() -> None:
    """Write only errors: for commands whose own words are what people read. COUNTERFOIL_LOG=info tells more."""
    configure(getattr(logging, os.environ.get("COUNTERFOIL_LOG", "error").upper(), logging.ERROR))


def working() -> None:
    """Write warnings and errors: for a process that works for long. COUNTERFOIL_LOG=info tells more."""
    configure(getattr(logging, os.environ.get("COUNTERFOIL_LOG", "warning").upper(), logging.WARNING))
