"""Small bar charts as inline SVG, for the report."""

from html import escape

_WIDTH, _HEIGHT, _GAP = 420, 110, 1
_COLOURS = ("#3b82c4", "#d98a29", "#3f9b5f", "#a65fc0", "#c2504c", "#5b8a8a", "#8a7a3b", "#777777")


def colour(series: int) -> str:
    """Return the colour of a series of bars."""
    return _COLOURS[series % len(_COLOURS)]


def histogram(edges: list[float], counts: list[int], label: str, edge_format: str) -> str:
    """Draw a bar for each bin; some edges, and the count of the highest bar, are written out.

    Args:
        edges: edges of the bins, one more than there are bins.
        counts: images in each bin.
        label: name of the horizontal axis.
        edge_format: format of an edge.
    """
    largest, wide = max(counts), _WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{n * wide:.1f}" y="{_HEIGHT * (1 - count / largest):.1f}" '
        f'width="{max(1, wide - _GAP):.1f}" height="{_HEIGHT * count / largest:.1f}" '
        f'fill="{colour(0)}"><title>{edge_format.format(low)} to {edge_format.format(high)}: '
        f"{count:,} images</title></rect>"
        for n, (count, low, high) in enumerate(zip(counts, edges, edges[1:], strict=False))
    )
    return (
        f'<figure class="chart"><figcaption>{escape(label)}</figcaption>'
        f'<div class="most">{largest:,} images</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{bars}</svg>'
        f'<div class="axis">{_axis(edges, edge_format)}</div></figure>'
    )


def _axis(edges: list[float], edge_format: str) -> str:
    """Write the first and last edge, and the one in the middle if there is one."""
    bins = len(edges) - 1
    ends = [edges[0], *([edges[bins // 2]] if bins % 2 == 0 else []), edges[-1]]
    texts = list(dict.fromkeys(edge_format.format(edge) for edge in ends))
    return "".join(f"<span>{text}</span>" for text in texts)


def stacked_bar(parts: list[int], largest: int, rem: float) -> str:
    """Draw one bar, `rem` wide where its parts sum to `largest`, a colour for each part."""
    spans = "".join(
        f'<span style="width:{rem * part / largest:.2f}rem;background:{colour(n)}"></span>'
        for n, part in enumerate(parts)
        if part
    )
    return f'<span class="bar">{spans}</span>'


def legend(names: list[str]) -> str:
    """Tell which colour is what."""
    return "".join(
        f'<span class="key"><i style="background:{colour(n)}"></i>{escape(name)}</span>'
        for n, name in enumerate(names)
    )
