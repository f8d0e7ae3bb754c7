"""Run and model folders: what is in them, how it is written, and models that are shipped or on the hub."""
