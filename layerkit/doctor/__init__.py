"""Doctor: reads the rows, tries short trainings and asks all checks of ``layerkit.health``."""

from layerkit.doctor.diagnose import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
