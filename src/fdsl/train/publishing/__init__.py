"""Giving a finished run to others: what may be told of it, a model card, a Hugging Face repository."""
