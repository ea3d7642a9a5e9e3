"""Machine translation: languages, corpora, prompts, examples, models, training stages, translator, command line."""
