"""The installable distribution `headrace`: for people, for Beam workers and for cloud jobs.

Versions are ranges here and pinned in `requirements.lock`, which `make` installs from.
"""

from setuptools import setup

setup(
    name="headrace",
    version="0.1.0",
    description="From a folder of raw images to a trained, servable classifier.",
    python_requires=">=3.11,<3.14",
    packages=[
        "beam_pipelines",
        "beam_pipelines.sources",
        "input",
        "input.augment",
        "models",
        "trainer",
    ],
    py_modules=["headrace"],
    install_requires=[
        "absl-py>=2.1",
        "apache-beam[gcp]>=2.70",
        "etils[epath]>=1.12",
        "google-cloud-storage>=2.18",
        "google-crc32c>=1.5",
        "h5py>=3.11",
        "importlib-resources>=6.0",  # tensorflow-datasets imports it and does not ask for it
        "matplotlib>=3.9",
        "numpy>=2.0",
        "pillow>=11.0",
        "requests>=2.32",
        "rich>=13.9",
        "scikit-learn>=1.5",
        "tensorboard>=2.20",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.9",
    ],
    extras_require={
        "test": [
            "apache-beam[dask]>=2.70",
            "gcp-storage-emulator>=2026.7",
            "hypothesis>=6.100",
            "psutil>=5.9",
            "pytest>=8.3",
            "pyyaml>=6.0",
            "ruff>=0.8",
            "selenium>=4.20",
            "uv>=0.5",
        ],
    },
)
