"""A folder of class folders to OUTPUT_DIR/images.array_record, which Grain reads.

    python array_record_writer.py FOLDER OUTPUT_DIR

A record is the pickled pair of the file's bytes and the label; records lie in groups of one, as
Grain's documentation wants them for random access.
"""

import pathlib
import pickle
import sys

from array_record.python.array_record_module import ArrayRecordWriter

if __name__ == "__main__":
    source, output = map(pathlib.Path, sys.argv[1:])
    paths = sorted(source.glob("*/*"))
    classes = sorted({path.parent.name for path in paths})
    writer = ArrayRecordWriter(str(output / "images.array_record"), "group_size:1")
    for path in paths:
        writer.write(pickle.dumps((path.read_bytes(), classes.index(path.parent.name))))
    writer.close()
