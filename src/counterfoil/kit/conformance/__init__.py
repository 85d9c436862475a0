"""The suite that grades a connector against its sandbox: reads, writes, proven.

Run it with pytest through a connector's ``tests/test_conformance.py``, or print a report with
``python -m counterfoil.kit.conformance NAME``.
"""

from counterfoil.kit.conformance.check import Check, CheckedPart, ConformanceError
from counterfoil.kit.conformance.harness import Harness, Sample, Webhook
from counterfoil.kit.conformance.suite import CHECKS, Conformance, Report, grade

__all__ = ["CHECKS", "Check", "CheckedPart", "Conformance", "ConformanceError", "Harness", "Report", "Sample", "Webhook", "grade"]
