"""Metrics of the mask-state network, recomputed from its stored predictions.

Its predictions are of groups of faces, some of them parts of others, and its classes are no emotions; so it has a format of
its own beside the store of expression networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.augmentation.masks.bank import MaskBank
from fer_core.augmentation.masks.textures import MASK_KINDS, TEST_STYLES
from fer_core.errors import ModelError
from fer_core.results import MASK_STATES, MaskState
from fer_core.storage import DamagedFileError, read_arrays, write_arrays

MASK_PREDICTIONS = "predictions.npz"
UNMASKED_GROUP, DRAWN_GROUP = "PrivateTest", "PrivateTest under drawn masks"
"""Groups of test faces that come from FER2013 alone."""
TEST_SEED = 1


@dataclass(frozen=True)
class MaskPredictions:
    """Predictions for groups of faces that the network was not trained on."""

    probabilities: Mapping[str, np.ndarray]
    """By group: ``(N, 3) float32``."""
    labels: Mapping[str, np.ndarray]
    """By group: ``(N,) int64`` index into :data:`fer_core.results.MASK_STATES`. Photos have no nose state."""


def mask_metrics(predictions: MaskPredictions) -> dict[str, dict[str, Any]]:
    """Metrics per group of faces.

    ``covered or bare`` is the accuracy of covered mouth against uncovered mouth, whatever covers the nose; ``called masked``
    is the share of faces predicted to be covered; ``states`` is the recall of each state that the group has. Shares are
    ``None`` for an empty group.
    """
    metrics: dict[str, dict[str, Any]] = {}
    for group, probabilities in predictions.probabilities.items():
        labels = predictions.labels[group]
        covered = probabilities[:, 0] < 0.5
        answers = np.where(covered, 1 + probabilities[:, 1:].argmax(axis=1), 0)
        right = covered == (labels > 0)
        metrics[group] = {
            "faces": len(labels),
            "covered or bare": float(right.mean()) if len(labels) else None,
            "called masked": float(covered.mean()) if len(labels) else None,
            "states": {
                str(state): float((answers[labels == number] == number).mean())
                for number, state in enumerate(MASK_STATES)
                if (labels == number).any()
            },
        }
    return metrics


def drawn_test_faces(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same faces, each under a mask of the test styles, which training never draws.

    Args:
        faces: ``(N, S, S) uint8``, framed as FER2013's faces.

    Returns:
        ``(N, S, S) uint8`` and ``(N,) int64`` index into :data:`fer_core.results.MASK_STATES`.
    """
    bank = MaskBank(faces.shape[1], kinds=MASK_KINDS, styles=TEST_STYLES, seed=TEST_SEED)
    drawn = bank.apply(faces, np.random.default_rng(TEST_SEED))
    covered, nose_out = MASK_STATES.index(MaskState.MASKED), MASK_STATES.index(MaskState.NOSE_OUT)
    return drawn.images, np.where(drawn.nose_covered, covered, nose_out).astype(np.int64)


def save_mask_predictions(path: Path, predictions: MaskPredictions) -> None:
    """Write predictions for :func:`load_mask_predictions`."""
    arrays = {f"probabilities/{group}": p.astype(np.float16) for group, p in predictions.probabilities.items()}
    arrays |= {f"labels/{group}": labels.astype(np.int8) for group, labels in predictions.labels.items()}
    write_arrays(path, arrays)


def load_mask_predictions(path: Path) -> MaskPredictions:
    """Read stored predictions; raises :class:`fer_core.errors.ModelError` where they are missing or damaged."""
    try:
        parts = read_arrays(path)
    except DamagedFileError as error:
        raise ModelError(f"{path.name} of the mask state cannot be read ({error}); train it anew.") from error
    of = {kind: {n.split("/", 1)[1]: a for n, a in parts.items() if n.startswith(kind)} for kind in ("prob", "labels")}
    return MaskPredictions(
        {group: p.astype(np.float32) for group, p in of["prob"].items()},
        {group: labels.astype(np.int64) for group, labels in of["labels"].items()},
    )
