"""Validation of settings and sections: a fast path, and pydantic where it cannot decide."""
