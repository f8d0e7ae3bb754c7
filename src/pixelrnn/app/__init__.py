"""What a person's interface needs, whichever it is, and no library does."""
