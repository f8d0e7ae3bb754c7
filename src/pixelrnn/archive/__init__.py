"""Files to `.pxr` archives and back."""
