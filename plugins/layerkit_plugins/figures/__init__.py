"""Forms of figures, one module each."""
