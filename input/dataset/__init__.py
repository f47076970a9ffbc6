"""A dataset directory: its card, its files, and its records by number."""
