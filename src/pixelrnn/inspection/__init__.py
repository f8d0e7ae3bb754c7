"""Where an image is odder, by what a model expects of it, than usual images are: windows, calibration, regions."""
