"""What a run does besides training: each action is one file here and one line in `train.py`."""
