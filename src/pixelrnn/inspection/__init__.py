"""Where an image surprises a model more, or less, than usual images do: windows, calibration, regions."""
