"""Schedules: how the learning rate changes in training, one a file."""
