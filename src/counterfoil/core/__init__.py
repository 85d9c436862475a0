"""The pure core: money, canonical language, finance and policies. Standard library only; no clock, chance or I/O."""
