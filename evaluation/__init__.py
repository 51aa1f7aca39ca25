"""Conversation cases against the configured model: `make eval`."""
