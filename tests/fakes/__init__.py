"""Real servers that say what a test tells them to."""
