"""A folder into one file with a model of its own: what is learned from, the search for a model, the comparison."""
