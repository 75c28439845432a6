"""Living with plugins: what is installed, where it came from, what is wrong with it, a new one.

``listing`` reads metadata and imports nothing. Whatever has to import a plugin does so in a process
of its own (``trial`` starts it, ``probe`` runs in it), so that a plugin which breaks, prints, hangs
or exits reaches nobody. ``why`` explains one type, ``doctor`` all of them. ``scaffold`` makes a new
distribution from the files in ``templates``.
"""
