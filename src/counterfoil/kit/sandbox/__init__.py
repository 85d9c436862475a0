"""What every sandbox (vendor simulator) stands on: a loopback server, faults on command, a control interface.

Sandboxes know nothing of the connector beside them, and are not part of a production installation.
"""

from counterfoil.kit.sandbox.control import answered, set_field
from counterfoil.kit.sandbox.faults import FAULT_KINDS, Fault, FaultSwitch
from counterfoil.kit.sandbox.server import Sandbox, Trigger

__all__ = ["FAULT_KINDS", "Fault", "FaultSwitch", "Sandbox", "Trigger", "answered", "set_field"]
