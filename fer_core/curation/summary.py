"""A data set's statistics without its images: counted once where the images are, shown wherever they are not.

``artifacts/datasets/<name>/summary.json``, ``arrays.npz`` and ``audit.csv.gz`` hold statistics and row numbers, no face of
anybody but means over many.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.curation.audit import (
    Duplicates,
    agreement,
    agreement_matrix,
    contradicted,
    find_duplicates,
    redundant_rows,
    suspects_by_votes,
    unusable,
    vote_entropy,
)
from fer_core.curation.statistics import MEASURES, MeanFaces, class_counts, image_measures, mean_faces
from fer_core.datasets.dataset import FaceDataset
from fer_core.errors import DatasetError
from fer_core.labels import FER2013_FIVE, FERPLUS, LABEL_SETS, LabelSet
from fer_core.storage import ARTIFACTS, DamagedFileError, cache_folder, read_arrays, write_arrays, write_text

DEFAULT_SUMMARIES = ARTIFACTS / "datasets"
_AUDIT = "audit.csv.gz"
BINS = 48
"""Of every histogram."""
RANGES = {"brightness": (0.0, 255.0), "contrast": (0.0, 128.0), "sharpness": (0.0, 192.0), "vote entropy": (0.0, 3.4)}
"""Of the histograms; what lies above is counted into the last bin. Ten votes over ten columns have at most 3.32 bits."""


def fingerprint(dataset: FaceDataset) -> str:
    """Sixteen hexadecimal digits that stand for the content of a data set."""
    digest = hashlib.blake2b(digest_size=8)
    for array in (dataset.images, dataset.labels, dataset.splits.astype("S20"), dataset.votes):
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class DatasetSummary:
    """A data set in numbers."""

    name: str
    label_set: LabelSet
    faces: int
    side: tuple[int, int]
    """Height and width of the images in pixels."""
    fingerprint: str
    """Of images, labels, splits and votes, see :func:`fingerprint`."""
    counts: Mapping[str, pd.DataFrame]
    """Per label set, see :func:`fer_core.curation.statistics.class_counts`."""
    means: Mapping[str, MeanFaces]
    """Per label set."""
    histograms: Mapping[str, np.ndarray]
    """Per measure: ``(C, BINS) int64`` faces per class of the own label set, over :data:`RANGES`."""
    duplicates: Duplicates
    unusable: pd.DataFrame
    """See :func:`fer_core.curation.audit.unusable`."""
    contradicted: pd.DataFrame | None
    """See :func:`fer_core.curation.audit.contradicted`; ``None`` without votes."""
    suspects: pd.DataFrame | None
    """See :func:`fer_core.curation.audit.suspects_by_votes`; ``None`` without votes."""
    agreement_matrix: pd.DataFrame | None
    agreement: float | None

    @property
    def redundant_rows(self) -> pd.DataFrame:
        """See :func:`fer_core.curation.audit.redundant_rows`."""
        return redundant_rows(self.duplicates)


def label_sets_of(dataset: FaceDataset) -> tuple[LabelSet, ...]:
    """The own label set first, then the views of it: fewer classes, and FER+'s where there are votes."""
    views = [dataset.label_set]
    if (FER2013_FIVE.indices_in(dataset.label_set) >= 0).all():
        views.append(FER2013_FIVE)
    if dataset.votes is not None:
        views.append(FERPLUS)
    return tuple(dict.fromkeys(views))


def summarise(dataset: FaceDataset, progress: Callable[[float], None] = lambda _: None) -> DatasetSummary:
    """Count, measure and audit a data set; half a minute for 36,000 faces.

    Args:
        dataset: any.
        progress: called with the share that is done, 0..1; what it raises ends the work.
    """
    views = label_sets_of(dataset)
    measures = image_measures(dataset.images)
    progress(0.2)
    if dataset.votes is not None:
        measures["vote entropy"] = vote_entropy(dataset.votes)
    histograms = {name: _histogram(measures[name].to_numpy(), name, dataset) for name in measures}
    means = {view.name: mean_faces(dataset, view) for view in views}
    progress(0.3)
    has_votes = dataset.votes is not None
    return DatasetSummary(
        name=dataset.name,
        label_set=dataset.label_set,
        faces=len(dataset),
        side=(dataset.images.shape[1], dataset.images.shape[2]),
        fingerprint=fingerprint(dataset),
        counts={view.name: class_counts(dataset, view) for view in views},
        means=means,
        histograms=histograms,
        duplicates=find_duplicates(dataset, lambda share: progress(0.3 + 0.7 * share)),
        unusable=unusable(dataset),
        contradicted=contradicted(dataset) if has_votes else None,
        suspects=suspects_by_votes(dataset) if has_votes else None,
        agreement_matrix=agreement_matrix(dataset) if has_votes else None,
        agreement=agreement(dataset) if has_votes else None,
    )


def summary_of(dataset: FaceDataset, progress: Callable[[float], None] = lambda _: None) -> DatasetSummary:
    """The summary of a data set: one that ships or was made before, found by its fingerprint, else a new one.

    A new one is kept in the user's cache folder (:func:`fer_core.storage.cache_folder`). Arguments as for
    :func:`summarise`.
    """
    wanted = fingerprint(dataset)
    kept = cache_folder() / "summaries" / wanted
    for place in (*shipped_summaries(), *shipped_summaries(kept)):
        try:
            if json.loads((place / "summary.json").read_text(encoding="utf-8"))["fingerprint"] == wanted:
                return load_summary(place)
        except (DatasetError, OSError, ValueError, KeyError):
            continue  # damaged: count anew
    summary = summarise(dataset, progress)
    with suppress(OSError):  # a cache that cannot be written costs time, not the answer
        save_summary(summary, kept)
    return summary


def _histogram(values: np.ndarray, measure: str, dataset: FaceDataset) -> np.ndarray:
    low, high = RANGES[measure]
    counted = (dataset.labels >= 0) & np.isfinite(values)
    bins = np.clip(((values[counted] - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.zeros((len(dataset.label_set), BINS), np.int64)
    np.add.at(counts, (dataset.labels[counted], bins), 1)
    return counts


def bin_edges(measure: str) -> np.ndarray:
    """``(BINS + 1,) float64`` in the measure's unit."""
    return np.linspace(*RANGES[measure], BINS + 1)


def measure_titles(summary: DatasetSummary) -> dict[str, str]:
    """The measures that a summary has histograms of, with their titles as axes."""
    titles = {**MEASURES, "vote entropy": "Disagreement of the annotators: entropy of the votes, bits"}
    return {name: titles[name] for name in summary.histograms}


def save_summary(summary: DatasetSummary, folder: Path) -> Path:
    """Write a summary into a folder of its own name below ``folder``; ``summary.json`` comes last."""
    place = folder / slug(summary.name)
    place.mkdir(parents=True, exist_ok=True)
    (place / "summary.json").unlink(missing_ok=True)
    arrays: dict[str, np.ndarray] = {f"histogram/{name}": counts for name, counts in summary.histograms.items()}
    for name, faces in summary.means.items():
        arrays |= {f"faces/{name}": faces.faces}
        arrays |= {f"means/{name}": np.rint(faces.means).astype(np.uint8)}
        arrays |= {f"spreads/{name}": np.rint(faces.spreads).astype(np.uint8)}
    write_arrays(place / "arrays.npz", arrays)
    _as_list(summary).to_csv(place / _AUDIT, index=False, compression={"method": "gzip", "mtime": 0})
    text = json.dumps(_as_json(summary), indent=1) + "\n"
    write_text(place / "summary.json", text)
    return place


def load_summary(place: Path) -> DatasetSummary:
    """Read what :func:`save_summary` wrote; raises :class:`DatasetError` where that is incomplete or damaged."""
    try:
        data = json.loads((place / "summary.json").read_text(encoding="utf-8"))
        listed = pd.read_csv(place / _AUDIT, keep_default_na=False)
        return _from_parts(data, listed, read_arrays(place / "arrays.npz"))
    except (DamagedFileError, OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise DatasetError(
            f"{place.name}: the summary of this data set cannot be read ({error}); make it anew with "
            "`python -m fer_core summarise --data PATH`."
        ) from error


def shipped_summaries(folder: Path | None = None) -> list[Path]:
    """The folders of the summaries that are there, by name."""
    return sorted(path.parent for path in (folder or DEFAULT_SUMMARIES).glob("*/summary.json"))


def slug(name: str) -> str:
    """A folder name for a data set: ``CK+`` is ``ckplus``."""
    words = "".join(c if c.isalnum() else " " for c in name.lower().replace("+", "plus ")).split()
    return "-".join(words) or "dataset"


_DUPLICATES, _UNUSABLE, _CONTRADICTED, _SUSPECTS = "duplicates", "unusable", "contradicted", "suspects"
_COLUMNS = {
    _DUPLICATES: ("group", "picture", "row", "split", "label", "kind", "correlation"),
    _UNUSABLE: ("row", "split", "label", "reason"),
    _CONTRADICTED: ("row", "split", "label", "reason", "majority"),
    _SUSPECTS: ("row", "split", "label", "reason", "likely", "probability"),
}
"""Of the lists of an audit."""


def _as_list(summary: DatasetSummary) -> pd.DataFrame:
    """Everything the audit lists, one row a finding, with the columns that any of them has."""
    parts = [(_DUPLICATES, summary.duplicates.groups), (_UNUSABLE, summary.unusable)]
    if summary.contradicted is not None:
        parts.append((_CONTRADICTED, summary.contradicted))
    if summary.suspects is not None:
        parts.append((_SUSPECTS, summary.suspects))
    frames = [frame.assign(finding=name).round(4) for name, frame in parts if len(frame)]
    listed = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    listed = listed.reindex(columns=["finding", *dict.fromkeys(name for names in _COLUMNS.values() for name in names)])
    return listed.astype({"group": "Int64", "picture": "Int64"})


def _as_json(summary: DatasetSummary) -> dict[str, Any]:
    matrix = summary.agreement_matrix
    return {
        "name": summary.name,
        "label_set": summary.label_set.name,
        "faces": summary.faces,
        "side": list(summary.side),
        "fingerprint": summary.fingerprint,
        "agreement": summary.agreement,
        "agreement_matrix": None if matrix is None else matrix.to_dict("split"),
        "counts": {name: counts.to_dict("list") for name, counts in summary.counts.items()},
    }


def _from_parts(data: dict[str, Any], listed: pd.DataFrame, arrays: dict[str, np.ndarray]) -> DatasetSummary:
    matrix = data["agreement_matrix"]
    names = list(data["counts"])
    groups = _findings(listed, _DUPLICATES)
    numbers = {"group": np.int64, "picture": np.int64, "row": np.int64, "correlation": np.float32}
    return DatasetSummary(
        name=data["name"],
        label_set=LABEL_SETS[data["label_set"]],
        faces=data["faces"],
        side=tuple(data["side"]),
        fingerprint=data["fingerprint"],
        counts={name: pd.DataFrame(data["counts"][name]) for name in names},
        means={
            name: MeanFaces(
                LABEL_SETS[name],
                arrays[f"faces/{name}"],
                arrays[f"means/{name}"].astype(np.float32),
                arrays[f"spreads/{name}"].astype(np.float32),
            )
            for name in names
        },
        histograms={
            name.removeprefix("histogram/"): counts for name, counts in arrays.items() if name.startswith("histogram/")
        },
        duplicates=Duplicates(groups.astype(numbers)),
        unusable=_findings(listed, _UNUSABLE).astype({"row": np.int64}),
        contradicted=None if matrix is None else _findings(listed, _CONTRADICTED).astype({"row": np.int64}),
        suspects=None
        if matrix is None
        else _findings(listed, _SUSPECTS).astype({"row": np.int64, "probability": np.float64}),
        agreement_matrix=None if matrix is None else pd.DataFrame(matrix["data"], matrix["index"], matrix["columns"]),
        agreement=data["agreement"],
    )


def _findings(listed: pd.DataFrame, finding: str) -> pd.DataFrame:
    return listed.loc[listed["finding"] == finding, list(_COLUMNS[finding])].reset_index(drop=True)
