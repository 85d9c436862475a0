"""The demonstration: one month of a company played through the sandboxes, and the proof that the books agree to the cent."""
