"""The checks: a module of rules for each kind of part, and three for parts of every kind."""
