"""What compiled code is made of: vectors, small matrix products, elementary functions, threads."""

__all__: list[str] = []
