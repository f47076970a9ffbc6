"""One script per peer, run as `python FILE SOURCE OUTPUT_DIR` by the peers' own interpreter.

They import nothing of Headrace, which their environment does not have.
"""
