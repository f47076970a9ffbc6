"""TFDS from a folder to TFRecords on Apache Beam, two worker processes on this machine.

The builder of `tfds_generator`, with the examples made by `beam.Create | beam.Map`. The local
runner is asked for by name, because Beam's default first tries to download a binary.
"""

import sys

import apache_beam as beam
import tensorflow_datasets as tfds
import tfds_generator
from apache_beam.options.pipeline_options import PipelineOptions

WORKERS = 2


class FolderOnBeam(tfds_generator.Folder):
    """The images of SOURCE, read in Beam's workers."""

    def _generate_examples(self, folder):
        return beam.Create([str(path) for path in folder.glob("*/*")]) | beam.Map(_example)


def _example(path):
    from pathlib import Path  # Beam ships this function to its workers without its module

    path = Path(path)
    return f"{path.parent.name}/{path.name}", {"image": path, "label": path.parent.name}


if __name__ == "__main__":
    options = PipelineOptions(
        runner="FnApiRunner",
        direct_running_mode="multi_processing",
        direct_num_workers=WORKERS,
    )
    builder = FolderOnBeam(data_dir=sys.argv[2])
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            try_download_gcs=False, beam_runner="FnApiRunner", beam_options=options
        )
    )
