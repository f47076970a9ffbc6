"""The model as others use it: encoded images in, labels out."""
