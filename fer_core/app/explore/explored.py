"""What the data set page is about, for every section of it."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.curation.summary import DatasetSummary
from fer_core.datasets.dataset import FaceDataset


@dataclass(frozen=True)
class ExploredDataset:
    """The data set that the page shows: its figures always, its faces where they are at hand."""

    summary: DatasetSummary
    dataset: FaceDataset | None
    """``None`` where only the summary ships; sections then show what it holds and say what the faces would add."""

    @property
    def key(self) -> str:
        """Stands for the content, for caches and for keys of widgets."""
        return self.summary.fingerprint
