"""Adapters: LoRA and QLoRA attached to a causal language model."""
