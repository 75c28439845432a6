"""Models to files and back: what a model is, in terms of the file format.

Saving records, beside spec and tensors, which distribution and version provided each layer type,
and a few rows with the outputs the model gives for them. Loading resolves the types, holds the
tensors against what the spec implies before it reads them, and runs those rows again: a plugin or
a library that computes other numbers here than where the file was written is noticed. Who changes
the weights on purpose can change those rows as well; a file id that is kept elsewhere, or a
signature, finds that.
"""
