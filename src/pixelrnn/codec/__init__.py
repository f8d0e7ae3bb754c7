"""Lossless compression with exact probabilities: images, pictures and folders as `.pxr` files, and back."""

from pixelrnn.codec.codec import Codec

__all__ = ["Codec"]
