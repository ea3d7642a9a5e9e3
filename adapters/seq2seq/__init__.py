"""A small translation model from scratch: an M2M-100-type encoder-decoder that any tool for NLLB checkpoints loads.

Its encoder is what `dragoman stack` puts in front of a language model where there is no hub to fetch NLLB from.
"""
