"""Stage 3: from changed objects to the commands their states call for, and what summary posting sums up."""
