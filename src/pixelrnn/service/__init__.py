"""One model behind an address: scores, maps, archives, completions and samples for programs that ask over HTTP."""
