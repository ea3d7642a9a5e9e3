"""Vocabulary: how well a tokenizer covers a language (fertility)."""
