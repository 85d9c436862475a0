"""Counterfoil: for every fact in a source system exactly one counterpart in the ERP, equal to the cent."""

__version__ = "0.1.0"
