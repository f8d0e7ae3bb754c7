"""The raster face: the sub-pixels of images one by one, with all state cached."""
