"""Starting from weights that others have trained: which layers train from when on, and how fast."""
