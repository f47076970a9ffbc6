"""A picture of the learning rate over a run: planned, and what was logged of it so far."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

# What is drawn of long runs: so many steps, which is a step a pixel and more.
_MAX_POINTS = 1000


def draw(
    rates: np.ndarray,
    logged: Mapping[int, float] | None = None,
    *,
    title: str = "learning rate",
    size: tuple[float, float] = (7.0, 2.8),
    file_format: str = "png",
) -> bytes:
    """Draw the rate over steps.

    Args:
        rates: planned rate of each step.
        logged: rates by step that a run has logged; None for a plan alone.
        title: what stands above.
        size: width and height in inches of 100 pixels.
        file_format: `png` or `jpg`.

    Returns:
        The bytes of a file of this format.
    """
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    steps = thin(rates)
    axes.plot(steps, rates[steps], label="planned")
    if logged:
        axes.plot(list(logged), list(logged.values()), label="so far", linewidth=2.5, alpha=0.7)
        axes.legend()
    axes.set(title=title, xlabel="step")
    axes.margins(y=0.08)  # of the highest rate too
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    image = io.BytesIO()
    figure.savefig(image, format=file_format, dpi=100)
    return image.getvalue()


def thin(rates: np.ndarray) -> np.ndarray:
    """Return the steps whose rates are drawn, the first, the last and the highest among them."""
    if len(rates) <= _MAX_POINTS:
        return np.arange(len(rates))
    even = np.linspace(0, len(rates) - 1, _MAX_POINTS).round().astype(int)
    return np.union1d(even, [int(np.argmax(rates))])
