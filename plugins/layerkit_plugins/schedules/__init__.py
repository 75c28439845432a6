"""Schedules: how the learning rate changes during training, one per file."""
