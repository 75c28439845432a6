"""Saving models to files, loading them, and comparing files.

Beside spec and tensors, a file records the distribution and version of each layer type, and a few
rows with the model's outputs. Loading finds the types, checks that the tensors are those that the
spec implies before it reads them, and runs the rows again, which finds a plugin or a library that
computes other numbers. Someone who changes the weights on purpose can also change those rows; a
file id that is kept elsewhere, or a signature, protects against that.
"""
