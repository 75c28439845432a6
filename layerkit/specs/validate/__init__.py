"""Validation of fields: ``check_fields`` tries a fast path, then pydantic where it is unsure."""
