"""What the columns of a table are, and the spec that a table starts from."""

from layerkit.profile.columns import ColumnProfile, TableProfile, profile_rows
from layerkit.profile.kinds import Kind
from layerkit.profile.starting_spec import spec_init

__all__ = ["ColumnProfile", "Kind", "TableProfile", "profile_rows", "spec_init"]
