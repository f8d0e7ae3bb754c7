"""Files in, integer arrays out."""

from pixelrnn.data.images import Data, ImageSet
from pixelrnn.data.load import load_data

__all__ = ["Data", "ImageSet", "load_data"]
