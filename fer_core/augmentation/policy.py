"""Everything that happens to faces on their way into training: as data, as a TOML file, and as the batches it makes.

:func:`sample_epoch` is the one function that samples. Training runs and pages both take their batches from it, so that
both see the same pixels for the same seed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.augmentation.mixing import Mixed, MixingPlan, mix, sample_mixing
from fer_core.augmentation.transforms import TRANSFORM_LIMITS, Augmentation
from fer_core.errors import DatasetError
from fer_core.media.images import as_bytes

MAX_ALPHA = 32.0
"""Of MixUp and CutMix: the largest that Zhang et al. 2018 try (sec. 3.4); above it every share is about a half."""
PREVIEWED = 24
"""Samples that a preview shows."""
_FILE = "augmentation.toml"


@dataclass(frozen=True)
class AugmentationPolicy:
    """Changes of single faces, and of faces mixed two by two."""

    augmentation: Augmentation = field(default_factory=Augmentation)
    mixup: float = 0.0
    """Alpha of MixUp, see :func:`fer_core.augmentation.mixing.mix`; 0 switches it off."""
    cutmix: float = 0.0
    """Alpha of CutMix."""

    @property
    def strengths(self) -> dict[str, float]:
        """Every strength by name: those of :class:`Augmentation`, then ``mixup`` and ``cutmix``."""
        strengths = {**asdict(self.augmentation), "mixup": self.mixup, "cutmix": self.cutmix}
        return {name: float(strength) for name, strength in strengths.items()}

    @classmethod
    def of(cls, strengths: Mapping[str, float]) -> AugmentationPolicy:
        """The policy of these strengths; those left out are 0."""
        mixing = {name: float(strengths.get(name, 0.0)) for name in _MIXING}
        single = {name: float(value) for name, value in strengths.items() if name not in mixing}
        return cls(Augmentation(**single), **mixing)

    def as_toml(self) -> str:
        """Two TOML tables, which :meth:`from_toml` reads back and ``train --augment`` takes."""
        lines = [f"# python -m fer_core train NAME --data PATH --augment {_FILE}"]
        for table, names in _TABLES.items():
            lines += ["", f"[{table}]", *(f"{name} = {self.strengths[name]!r}" for name in names)]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, path: Path, default: AugmentationPolicy | None = None) -> AugmentationPolicy:
        """Read a file that :meth:`as_toml` wrote; strengths that a table leaves out are 0.

        Args:
            path: the file; it needs a table ``[augmentation]``.
            default: its MixUp and CutMix hold where the file has no table ``[mixing]``.

        Raises:
            DatasetError: it is no TOML, names something unknown, or a strength that is no number in its range.
        """
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path}: cannot be read as TOML ({error}); expected a table [augmentation].") from error
        if not isinstance(tables.get("augmentation"), dict):
            raise DatasetError(
                f"{path.name}: expected a table [augmentation] with {', '.join(_TABLES['augmentation'])}."
            )
        default = default or cls()
        strengths = {"mixup": default.mixup, "cutmix": default.cutmix} if "mixing" not in tables else {}
        for table, values in tables.items():
            if table not in _TABLES or not isinstance(values, dict):
                expected = " and ".join(f"[{known}]" for known in _TABLES)
                raise DatasetError(f"{path.name}: found {table!r}, expected the tables {expected} alone.")
            for name, value in values.items():
                strengths[name] = _checked(path.name, table, name, value)
        return cls.of(strengths)


_MIXING = ("mixup", "cutmix")
_TABLES = {"augmentation": tuple(f.name for f in fields(Augmentation)), "mixing": _MIXING}


def limit(name: str) -> float:
    """The largest strength of a transformation that a file may ask for, in its own unit."""
    return MAX_ALPHA if name in _MIXING else TRANSFORM_LIMITS.get(name, 1.0)


def _checked(file: str, table: str, name: str, value: Any) -> float:
    if name not in _TABLES[table]:
        raise DatasetError(f"{file}: found {name!r} in [{table}], expected {', '.join(_TABLES[table])}.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= limit(name):
        raise DatasetError(f"{file}: found {name} = {value!r}, expected a number from 0 to {limit(name):g}.")
    return float(value)


@dataclass(frozen=True)
class AugmentedBatch:
    """One batch of an epoch."""

    rows: np.ndarray
    """``(B,) int64``: indices of the images."""
    mixed: Mixed
    """Their changed copies."""


def sample_epoch(
    images: np.ndarray,
    policy: AugmentationPolicy,
    batch_size: int,
    seed: int,
    epoch: int,
    size: int | None = None,
    rows: np.ndarray | None = None,
) -> Iterator[AugmentedBatch]:
    """The batches of one epoch; every sample follows from the seed and the epoch.

    The last, incomplete batch is dropped, since the order changes every epoch.

    Args:
        images: ``(N, H, W) uint8`` grey or ``(N, H, W, 3) uint8`` BGR.
        policy: what happens to them.
        batch_size: faces in a batch.
        seed: of the run.
        epoch: counted from 0.
        size: side of the resulting faces in pixels; the images' own height if left out.
        rows: ``(M,)`` indices of the images that take part; all if left out.
    """
    rng = np.random.default_rng([seed, epoch])
    for batch in _batches(rng, np.arange(len(images)) if rows is None else rows, batch_size):
        changed = policy.augmentation.apply(images[batch], rng, size)[..., None].astype(np.float32)
        yield AugmentedBatch(batch, mix(changed, rng, policy.mixup, policy.cutmix))


def _batches(rng: np.random.Generator, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """The rows in another order, batch by batch, without the last, incomplete one."""
    order = rows[rng.permutation(len(rows))]
    for start in range(0, len(order) - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


def plan_epoch(
    images: np.ndarray, policy: AugmentationPolicy, batch_size: int, seed: int, epoch: int, size: int
) -> dict[str, np.ndarray]:
    """The random choices of :func:`sample_epoch`, without changing a pixel, for a device that changes them itself.

    Args:
        images: ``(N, H, W) uint8`` grey.
        policy: what happens to them; its augmentation does not degrade.
        batch_size: faces B in a batch.
        seed: of the run.
        epoch: counted from 0.
        size: side of the resulting faces in pixels.

    Returns:
        Arrays of M batches: ``rows`` ``(M, B)``; ``matrix`` ``(M, B, 2, 3)`` from pixels of the result to pixels of the
        source; ``contrast`` and ``offset`` ``(M, B)`` as in :class:`~fer_core.augmentation.transforms.TransformSamples`;
        ``erased`` ``(M, B, 5)``, see :meth:`Augmentation.sample_erasing`; ``partners`` ``(M, B)``, ``share`` ``(M,)`` and
        ``cut`` ``(M, 4)`` as in :class:`~fer_core.augmentation.mixing.MixingPlan`; ``cuts`` ``(M,)``: whether ``cut``
        holds; and, where masks are drawn, the masked ``faces`` ``(M, B, H, W) uint8``.
    """
    augmentation = policy.augmentation
    rng = np.random.default_rng([seed, epoch])
    batches: list[dict[str, Any]] = []
    for rows in _batches(rng, np.arange(len(images)), batch_size):
        batch: dict[str, Any] = {"rows": rows}
        if augmentation.mask:
            batch["faces"] = augmentation.masked(images[rows], rng)
        samples = augmentation.sample(batch_size, rng, (images.shape[2], images.shape[1]), size)
        linear = np.linalg.inv(samples.matrices[:, :, :2])
        batch["matrix"] = np.concatenate([linear, -linear @ samples.matrices[:, :, 2:]], axis=-1)
        batch |= {"contrast": samples.contrasts, "offset": samples.offsets}
        erased = augmentation.sample_erasing(batch_size, rng, size)
        batch["erased"] = erased if len(erased) else np.zeros((batch_size, 5))
        mixing = sample_mixing(batch_size, size, rng, policy.mixup, policy.cutmix)
        batch["partners"] = mixing.partners if mixing else np.arange(batch_size)
        batch["share"] = mixing.share if mixing else 1.0
        batch["cut"] = mixing.cut if mixing and mixing.cut else (0,) * 4
        batch["cuts"] = bool(mixing and mixing.cut)
        batches.append(batch)
    kinds = {"rows": np.int32, "partners": np.int32, "cuts": bool, "faces": np.uint8}
    return {name: np.stack([b[name] for b in batches]).astype(kinds.get(name, np.float32)) for name in batches[0]}


@dataclass(frozen=True)
class Preview:
    """Faces before and after augmentation, as training sees them."""

    before: np.ndarray
    """``(N, H, W) uint8`` grey: the faces that were changed, or the one face of all samples."""
    after: np.ndarray
    """``(M, S, S) uint8`` grey."""
    rows: np.ndarray
    """``(M,) int64``: the image of each sample."""
    mixing: MixingPlan | None
    """How the whole batch is mixed; ``None`` where it is not."""


def preview_batch(
    images: np.ndarray,
    policy: AugmentationPolicy,
    batch_size: int,
    seed: int,
    epoch: int,
    size: int | None = None,
    rows: np.ndarray | None = None,
) -> Preview:
    """The beginning of an epoch's first batch; arguments as for :func:`sample_epoch`.

    Raises:
        DatasetError: there are fewer images than a batch holds.
    """
    batch = next(sample_epoch(images, policy, batch_size, seed, epoch, size, rows), None)
    if batch is None:
        count = len(images) if rows is None else len(rows)
        raise DatasetError(f"There are {count:,} faces to train on; expected at least a batch of {batch_size}.")
    shown = batch.rows[:PREVIEWED]
    return Preview(images[shown], as_bytes(batch.mixed.images[:PREVIEWED, ..., 0]), shown, batch.mixed.plan)


def preview_face(
    face: np.ndarray, others: np.ndarray, policy: AugmentationPolicy, seed: int, epoch: int, size: int | None = None
) -> Preview:
    """Samples of one face, in a batch with others that it can be mixed with.

    Args:
        face: ``(H, W) uint8`` grey or ``(H, W, 3) uint8`` BGR.
        others: ``(K, H, W) uint8`` grey; they make up half of the batch whether faces are mixed or not, so that mixing
            changes no other random choice.
        policy: what happens to them.
        seed: of the random choices.
        epoch: counted from 0.
        size: side of the resulting faces in pixels; the face's own height if left out.
    """
    others = np.resize(others, (PREVIEWED, *others.shape[1:]))
    if face.ndim == 3:
        others = np.repeat(others[..., None], 3, axis=-1)
    images = np.concatenate([np.repeat(face[None], PREVIEWED, axis=0), others])
    batch = next(sample_epoch(images, policy, len(images), seed, epoch, size))
    shown = np.flatnonzero(batch.rows < PREVIEWED)
    before = Augmentation().apply(face[None], np.random.default_rng(0))
    return Preview(before, as_bytes(batch.mixed.images[shown, ..., 0]), batch.rows[shown], batch.mixed.plan)
