"""``sb3-ext share``: a trained agent in the form of the Hugging Face Hub, with a model card."""
