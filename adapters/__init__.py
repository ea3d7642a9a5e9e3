"""What is attached to a causal language model for training: LoRA, QLoRA, embeddings, a second head; and which weights move."""
