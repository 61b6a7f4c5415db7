"""Table: how a benchmark prints what it measured beside what is aimed at."""

from collections.abc import Sequence


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is left-aligned, the others right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    print(f"\n{title}")
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        print("  ".join(cells).rstrip())


def against(measured: float, aim: float, *, more_is_better: bool = False) -> str:
    """The distance to an aim: `met, 1.8 x better` or `missed by 1.3 x`."""
    ratio = measured / aim if more_is_better else aim / measured
    return f"met, {ratio:.1f} x better" if ratio >= 1 else f"missed by {1 / ratio:.1f} x"
