"""What a business knows: its files, cut into passages, indexed and searched."""
