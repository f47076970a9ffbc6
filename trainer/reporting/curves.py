"""`curves.png`: loss and rank-1 over steps, of training and of the validation split."""

import io

from matplotlib.figure import Figure

from trainer import run_dir


def draw(workdir: str) -> None:
    """Redraw `curves.png` from `metrics.jsonl`."""
    rows = run_dir.read_metrics(workdir)
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, metric, title in zip(
        figure.subplots(1, 2), ("loss", "rank1"), ("loss", "rank-1"), strict=True
    ):
        for split in dict.fromkeys(row["split"] for row in rows):
            points = [(row["step"], row[metric]) for row in rows if row["split"] == split]
            axes.plot(
                *zip(*points, strict=True), label=split, marker="." if split != "train" else ""
            )
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    run_dir.write_atomic(f"{workdir}/{run_dir.CURVES}", image.getvalue())
