"""The local page on which one sees an exact model think."""
