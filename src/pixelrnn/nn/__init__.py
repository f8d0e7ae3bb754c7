"""The parallel face: all pixels at once, for training and likelihood. One file is one section of the paper."""
