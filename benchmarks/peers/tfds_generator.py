"""TFDS from a folder to TFRecords, the plain way: a builder that yields a path and a label.

The folder has a folder per class, or splits with the class folders inside; without splits all
becomes one split, `train`. TFDS stores the files' bytes and does not decode them.
"""

import sys

import tensorflow_datasets as tfds
from etils import epath

SPLITS = ("train", "test")


class Folder(tfds.core.GeneratorBasedBuilder):
    """The images of SOURCE."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        source = self._source()
        some_split = next(iter(split_folders(source).values()))
        classes = sorted(folder.name for folder in some_split.iterdir())
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=classes),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        folders = split_folders(self._source())
        return {name: self._generate_examples(folder) for name, folder in folders.items()}

    def _generate_examples(self, folder):
        for path in folder.glob("*/*"):
            yield f"{path.parent.name}/{path.name}", {"image": path, "label": path.parent.name}

    def _source(self):
        return epath.Path(sys.argv[1])


def split_folders(source: epath.Path) -> dict[str, epath.Path]:
    """Return the splits by name, each a folder with the class folders inside."""
    return {name: source / name for name in SPLITS if (source / name).exists()} or {"train": source}


if __name__ == "__main__":
    builder = Folder(data_dir=sys.argv[2])
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
