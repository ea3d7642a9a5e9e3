"""Vocabulary: new pieces for a tokenizer, embedding rows for them, and what they bought."""
