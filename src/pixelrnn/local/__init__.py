"""The codec's network, whole: what it sees, both of its faces, and what an entropy coder asks of it."""
