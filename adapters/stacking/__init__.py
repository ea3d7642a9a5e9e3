"""A translation encoder in front of a causal language model (Schmidt et al. 2024, arXiv 2406.12739), to understand and to translate."""
