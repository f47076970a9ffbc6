"""What a prepared dataset consists of on disk: records, metadata, the directory, and HDF5."""
