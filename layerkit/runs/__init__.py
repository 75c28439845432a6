"""Trainings as jobs that any process can do, kept in a folder as soon as they are finished."""
