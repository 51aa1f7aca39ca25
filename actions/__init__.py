"""Between Rasa and the model: what the action server runs."""
