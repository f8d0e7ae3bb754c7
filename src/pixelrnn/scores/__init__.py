"""What a density says of images: how likely, how much information, how unusual."""
