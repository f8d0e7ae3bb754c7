"""The models: exact probability, samples and completions, of one or of several scales."""
