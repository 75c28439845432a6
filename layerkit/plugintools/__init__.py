"""Inspecting installed plugins, finding what is wrong with them, and creating a new one.

``listing`` reads metadata and imports nothing. Plugins are imported only in another process
(``trial_import`` starts it, ``probe`` runs in it), so one that raises, prints, hangs or exits does
no harm. ``why`` explains one type, ``doctor`` checks all. ``scaffold`` creates a distribution from
``templates``.
"""
