"""Faces mixed two by two, and their labels with them, for training and for the previews of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MixingPlan:
    """How a batch is mixed with itself in another order."""

    partners: np.ndarray
    """``(B,) int64``: the row with which each is mixed."""
    share: float
    """Of a face's own pixels in the mixture, in [0, 1]."""
    cut: tuple[int, int, int, int] | None = None
    """Top, bottom, left and right in pixels of the part that is pasted from the partner (CutMix); ``None`` blends all of it
    in (MixUp)."""


@dataclass(frozen=True)
class Mixed:
    """A batch after mixing."""

    images: np.ndarray
    """``(B, S, S, 1) float32``."""
    plan: MixingPlan | None = None
    """``None`` where nothing was mixed."""


def mix(images: np.ndarray, rng: np.random.Generator, mixup: float = 0.0, cutmix: float = 0.0) -> Mixed:
    """MixUp (Zhang et al. 2018, arXiv:1710.09412) or CutMix (Yun et al. 2019, arXiv:1905.04899) of a batch.

    Args:
        images: ``(B, S, S, 1) float32``.
        rng: source of every random choice.
        mixup: alpha of the beta distribution of MixUp's share; 0 switches it off.
        cutmix: the same for CutMix. With both, one of them is chosen per batch; with neither, the batch stays as it is.
    """
    plan = sample_mixing(len(images), images.shape[1], rng, mixup, cutmix)
    if plan is None:
        return Mixed(images)
    if plan.cut is None:
        mixed = plan.share * images + (1 - plan.share) * images[plan.partners]
    else:
        top, bottom, left, right = plan.cut
        mixed = images.copy()
        mixed[:, top:bottom, left:right] = images[plan.partners, top:bottom, left:right]
    return Mixed(mixed.astype(np.float32), plan)


def sample_mixing(
    count: int, side: int, rng: np.random.Generator, mixup: float = 0.0, cutmix: float = 0.0
) -> MixingPlan | None:
    """How a batch of ``count`` faces of ``side`` pixels is mixed, see :func:`mix`; ``None`` where it is not."""
    if not (mixup or cutmix):
        return None
    cut = cutmix > 0 and (not mixup or rng.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = float(rng.beta(alpha, alpha))
    partners = rng.permutation(count)
    if not cut:
        return MixingPlan(partners, share)
    half = side * np.sqrt(1 - share) / 2
    y, x = rng.uniform(0, side, 2)
    top, bottom, left, right = (int(np.clip(round(v), 0, side)) for v in (y - half, y + half, x - half, x + half))
    return MixingPlan(partners, 1 - (bottom - top) * (right - left) / side**2, (top, bottom, left, right))


def mix_labels(
    mixed: Mixed, targets: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Targets ``(B, C)`` and weights ``(B,)`` per head in the shares of the pixels; rows of no weight add nothing."""
    if mixed.plan is None:
        return dict(targets), dict(weights)
    share, partners = mixed.plan.share, mixed.plan.partners
    both_weights = {head: share * w + (1 - share) * w[partners] for head, w in weights.items()}
    both_targets = {}
    for head, t in targets.items():
        w = weights[head][:, None]
        total = np.maximum(both_weights[head], 1e-12)[:, None]
        both_targets[head] = (share * w * t + (1 - share) * w[partners] * t[partners]) / total
    return both_targets, both_weights
