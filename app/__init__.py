"""Applications: the translation playground and its HTTP API."""
