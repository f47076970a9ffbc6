"""Prints the page of all models, `docs/models.md`, from the models themselves.

    python -m models.reference > docs/models.md

Names, options and sources are those of the code; parameters and operations are counted on networks
that are built for it.
"""

import importlib
import inspect

from headrace.tensorflow_import import import_tensorflow
from models import registry

# Rows and columns of RGB images, and classes.
_EXAMPLES = ((32, 10), (64, 200), (224, 1000))

_INTRODUCTION = """\
`--model=NAME` trains one of these; `--model_options="OPTION=VALUE;…"` gives it options. `make docs`
writes this page from the code. Parameters are all weights, moving averages among them; FLOPs are
for one image in prediction, where a multiplication and an addition are two.
"""

_APPLICATIONS = """\
All networks of `keras.applications`, without weights and with a head of their own: global average
pooling, dropout (`--model_options="dropout=0.2"`), logits. Without `--normalization` each gets what
its published weights were trained with. Their batch normalisation is that of the global batch.
"""


def main() -> None:
    """Print the page."""
    import_tensorflow()
    print("# Models\n")
    print(_INTRODUCTION)
    sizes = [f"{size}×{size}×3, {classes:,} classes" for size, classes in _EXAMPLES]
    print(f"| model | smallest image | {' | '.join(sizes)} |")
    print(f"|---|---|{'---|' * len(sizes)}")
    for name in registry.names():
        costs = " | ".join(_cost(name, *example) for example in _EXAMPLES)
        least = registry.min_size(name)
        print(f"| [{name}](#{name}) | {least}×{least} | {costs} |")
    print("\n## applications\n")
    print(_APPLICATIONS)
    print("| model | smallest image | `--normalization` |")
    print("|---|---|---|")
    for name in registry.application_names():
        least, normalization = registry.min_size(name), registry.normalization(name)
        print(f"| {name} | {least}×{least} | {normalization} |")
    for name in registry.names():
        print(f"\n## {name}\n\n{_describe(name)}")


def _cost(name: str, size: int, classes: int) -> str:
    """Return the parameters and FLOPs of a model; a dash where the image is too small."""
    if size < registry.min_size(name):
        return "–"
    from models import cost  # with TensorFlow, takes seconds

    fast = {"kernel_initializer": "zeros"} if _has_style(name) else {}
    network = registry.build(name, (size, size, 3), classes, **fast)
    return f"{network.count_params():,}; {_rounded(cost.flops(network))}FLOPs"


def _describe(name: str) -> str:
    """Return where a model is from, what it is made of, and its options."""
    module = importlib.import_module(f"models.{name}")
    layers = inspect.cleandoc(module.build.__doc__).partition("\nArgs:")[0].strip()
    options = "\n".join(
        f"| `{option}` | `{str(default).replace(' ', '')}` |"
        for option, default in registry.options(name).items()
    )
    source = " ".join(str(module.__doc__).split())
    normalization = registry.normalization(name)
    if normalization != "channel":
        layers += f"\n\nWithout `--normalization` it is `{normalization}`."
    return f"{source}\n\n{layers}\n\n| option | default |\n|---|---|\n{options}"


def _has_style(name: str) -> bool:
    return "kernel_initializer" in registry.options(name)


def _rounded(number: float) -> str:
    """Return a number with three digits: `7.76 G`."""
    for unit in ("", "k", "M", "G"):
        if number < 1000 or unit == "G":
            return f"{number:.3g} {unit}"
        number /= 1000
    raise AssertionError


if __name__ == "__main__":
    main()
