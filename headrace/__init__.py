"""What every program of Headrace stands on; imports no TensorFlow."""

__version__ = "0.1.0"
