"""Colours: exact conversions between planes, and the sets of colours that can occur."""
