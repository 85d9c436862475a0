"""The simulation: months of the company's life in virtual time, with faults drawn from a seed, ending in the same proof as the demo."""
