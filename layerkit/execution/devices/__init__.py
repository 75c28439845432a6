"""Recorded graphs on the arrays of another device: operations, routines, and an engine of them."""
