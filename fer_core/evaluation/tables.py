"""How tables of metrics are written for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def percent_with_interval(share: float, interval: Sequence[float]) -> str:
    """A share in [0, 1] with the ends of its interval: ``70.6% [69.1, 72.1]``."""
    low, high = (100 * end for end in interval)
    return f"{share:.1%} [{low:.1f}, {high:.1f}]"


def markdown_lines(table: pd.DataFrame) -> list[str]:
    """A table's lines in Markdown: columns, rule, rows."""
    rows = [table.columns, *table.itertuples(index=False)]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(table.columns), *lines[1:]]
