"""`curves.png`: loss and rank-1 over steps, of training and of the validation split."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from trainer import run_dir


def draw(workdir: str) -> None:
    """Redraw `curves.png` from `metrics.jsonl`."""
    run_dir.write_atomic(f"{workdir}/{run_dir.CURVES}", render(run_dir.read_metrics(workdir)))


def render(
    rows: Sequence[Mapping[str, Any]],
    *,
    size: tuple[float, float] = (11.0, 4.0),
    seen_at: int | None = None,
    from_zero: bool = False,
) -> bytes:
    """Draw curves as PNG.

    Args:
        rows: rows of `metrics.jsonl`.
        size: width and height in inches of 120 pixels.
        seen_at: a step to be marked.
        from_zero: whether axes begin at nothing, and that of rank-1 ends at 1.
    """
    figure = Figure(figsize=size, layout="constrained")
    for axes, metric, title in zip(
        figure.subplots(1, 2), ("loss", "rank1"), ("loss", "rank-1"), strict=True
    ):
        for split in dict.fromkeys(row["split"] for row in rows):
            points = [(row["step"], row[metric]) for row in rows if row["split"] == split]
            axes.plot(
                *zip(*points, strict=True), label=split, marker="." if split != "train" else ""
            )
        if seen_at is not None:
            axes.axvline(seen_at, color="grey", linestyle=":")
        if from_zero:
            axes.set_ylim(bottom=0, top=1 if metric == "rank1" else 1.1 * axes.get_ylim()[1])
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        if rows:
            axes.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()
