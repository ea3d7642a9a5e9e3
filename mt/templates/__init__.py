"""Prompt templates, one YAML file each; users add their own by path."""
