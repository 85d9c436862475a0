"""Print the conformance report of the connectors named on the command line."""

import sys

from counterfoil.kit.conformance.suite import main

sys.exit(main(sys.argv[1:]))
