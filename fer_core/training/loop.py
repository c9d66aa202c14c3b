"""The training run: batches, schedule, averaged weights, checkpoints after every epoch, and resuming from them.

Keras' own ``fit`` was measured against this loop (Keras 3.15.1). Called once an epoch it learns and resumes alike, but
takes twice the lines of the steps that it would replace (29 for 14), saves no time, and on JAX has to sync its state every
step. One ``fit`` over all epochs can't take images that grow. ``BackupAndRestore`` doesn't resume Dropout (the largest
weight differs by 5e-2 after a stop, here by 0), and ``use_ema`` leaves out the statistics of batch normalisation, which are
averaged here.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from fer_core.augmentation.masks.bank import default_bank
from fer_core.augmentation.transforms import Augmentation
from fer_core.datasets import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.evaluation.hardware import hardware
from fer_core.models import get_architecture
from fer_core.models.normalisation import with_fused_layers
from fer_core.models.prediction import Predict, predict_logits
from fer_core.storage import write_arrays, write_text
from fer_core.training.batches import Batches
from fer_core.training.recipes import CheckpointMetric, Recipe

AVERAGE_EVERY = 8
"""Steps between updates of the moving average of the weights; more often costs time and changes nothing."""
VALIDATION_MASKS_SEED = 1
"""Seed of the masks on the validation faces: the styles of training, other samples of them."""
TRAINING_SAMPLE = 2048
"""Training faces, without augmentation, on which the training curves are measured after each epoch."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run is."""

    epoch: int
    """Counted from 0."""
    step: int
    steps: int
    loss: float


class TrainingRun:
    """Trains one network by one recipe in a folder of its own, where it can be resumed.

    Args:
        recipe: what to do.
        dataset: all splits; the network learns from ``training``, and the epoch to keep is chosen on ``validation``, with
            and without masks where the recipe draws masks. Without a validation split the last epoch is kept.
        folder: where checkpoints and the history go.
        seed: of the weights, the order of the faces and every augmentation.
        weights: the file that ``recipe.weights`` stands for, if it stands for one.
        distilled: the teachers' probabilities for the training split, see :class:`Batches`.

    Raises:
        ModelError: the recipe names an unknown optimizer, or there are fewer training faces than a batch holds.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: FaceDataset,
        folder: Path,
        seed: int = 0,
        weights: str | None = None,
        distilled: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.seed = seed
        keras.utils.set_random_seed(seed)
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.mixed_precision else "float32")
        # Any input size where training images grow; a network with a dense top needs its own.
        sizes = {size for _, size in recipe.sizes}
        architecture = get_architecture(recipe.architecture)
        side = None if len(sizes) > 1 else sizes.pop()
        built = architecture.build(recipe.label_sets, side, recipe.working_size, weights or recipe.weights)
        self.model = with_fused_layers(built)
        keras.mixed_precision.set_global_policy("float32")
        self._freeze()
        self._compile()
        training = dataset.split(Split.TRAINING)
        if len(training) < recipe.batch_size:
            raise ModelError(
                f"{dataset.name} has {len(training):,} faces to train on; expected at least a batch of "
                f"{recipe.batch_size}."
            )
        self._batches = Batches(training, recipe, seed, distilled)
        self._evaluated = {"training": training.take(np.arange(min(len(training), TRAINING_SAMPLE)))}
        if (dataset.splits == Split.VALIDATION).any():
            self._evaluated["validation"] = dataset.split(Split.VALIDATION)
            if recipe.augmentation.mask:
                self._evaluated["masked_validation"] = with_masks(dataset.split(Split.VALIDATION))
        self._average = [np.array(w) for w in self.model.get_weights()]
        self.history: list[dict[str, float]] = []
        self.steps_done = 0
        self.trained_on: dict[str, Any] = {"hardware": hardware(accelerator()), "versions": versions()}

    def _freeze(self) -> None:
        backbone = [layer for layer in self.model.layers if layer.name not in self.model.output_names]
        for layer in backbone[: round(self.recipe.frozen * len(backbone))]:
            layer.trainable = False

    def _compile(self) -> None:
        recipe = self.recipe
        decay = recipe.weight_decay or None
        if recipe.optimizer == "adam":
            optimizer = keras.optimizers.Adam(recipe.peak_learning_rate, weight_decay=decay)
        elif recipe.optimizer == "sgd":
            optimizer = keras.optimizers.SGD(
                recipe.peak_learning_rate, momentum=recipe.momentum, nesterov=True, weight_decay=decay
            )
        else:
            raise ModelError(f"There is no optimizer {recipe.optimizer!r}; known are adam and sgd.")
        if decay:
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.model.compile(
            optimizer,
            loss={h: keras.losses.CategoricalCrossentropy(from_logits=True) for h in recipe.heads},
            loss_weights=dict(zip(recipe.heads, recipe.head_weights, strict=True)),
            # XLA drives a GPU faster and TensorFlow's CPU kernels slower.
            jit_compile="auto" if keras.backend.backend() == "jax" else False,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch."""
        return len(self._batches)

    @property
    def finished(self) -> bool:
        """Whether every epoch of the recipe has been run."""
        return len(self.history) >= self.recipe.epochs

    @property
    def best_epoch(self) -> int:
        """Epoch with the best validation score so far, counted from 0."""
        return int(np.argmax([row["validation_score"] for row in self.history]))

    def recall(self) -> None:
        """Read the history of the run in the folder and its hardware, to package its best weights.

        Raises:
            ModelError: the folder holds no run, or one of another recipe or seed.
        """
        self.trained_on = self._read_history().get("trained_on", self.trained_on)

    def _read_history(self) -> dict[str, Any]:
        """Read the history of the run in the folder; returns the content of its state file."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            raise self._nothing_there() from None
        # A transformation that did not exist yet was off.
        state["recipe"]["augmentation"] = asdict(Augmentation()) | state["recipe"]["augmentation"]
        if state["recipe"] != self._recipe_as_json() or state["seed"] != self.seed:
            raise ModelError(
                f"{self.folder}: the checkpoint was made by another recipe or seed; start without --resume, or in "
                "another folder."
            )
        self.history = state["history"]
        self.steps_done = len(self.history) * len(self._batches)
        return state

    def _nothing_there(self) -> ModelError:
        return ModelError(f"{self.folder}: there is no checkpoint to resume; start without --resume.")

    def resume(self) -> None:
        """Go on after the last complete epoch of the run in the folder.

        Raises:
            ModelError: the folder holds no checkpoint, or one of another recipe or seed.
        """
        self._read_history()
        try:
            checkpoint = np.load(self.folder / "checkpoint.npz", allow_pickle=False)
        except FileNotFoundError:
            raise self._nothing_there() from None
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.set_weights([checkpoint[f"weight_{i}"] for i in range(len(self._average))])
        self._average = [checkpoint[f"average_{i}"] for i in range(len(self._average))]
        for i, variable in enumerate(self.model.optimizer.variables):
            variable.assign(checkpoint[f"optimizer_{i}"])

    def fit(
        self,
        report: Callable[[TrainingProgress], None] = lambda _: None,
        every_epoch: Callable[[dict[str, float]], None] = lambda _: None,
    ) -> None:
        """Run the remaining epochs; a checkpoint is written after each, the best weights whenever they improve.

        ``report`` is called after every step, ``every_epoch`` with the history's row after every epoch.
        ``KeyboardInterrupt`` passes through; the checkpoint of the last complete epoch stays in the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        while not self.finished:
            self._run_epoch(len(self.history), report)
            every_epoch(self.history[-1])

    def best_model(self) -> keras.Model:
        """The network with the best averaged weights so far."""
        weights = np.load(self.folder / "best.npz", allow_pickle=False)
        self.model.set_weights([weights[f"weight_{i}"] for i in range(len(self._average))])
        return self.model

    def _run_epoch(self, epoch: int, report: Callable[[TrainingProgress], None]) -> None:
        started = time.perf_counter()
        losses = self._run_steps(epoch, report)
        total = self.recipe.epochs * len(self._batches)
        row = {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            "learning_rate": self._learning_rate(total),
            "image_size": self.recipe.size_at(epoch),
            **self._validate(),
            "seconds": time.perf_counter() - started,
        }
        if not np.isfinite(row["loss"]):
            raise ModelError(f"The loss is no longer a number after epoch {epoch + 1}; lower the learning rate.")
        best_before = max((r["validation_score"] for r in self.history), default=-np.inf)
        self.history.append(row)
        self._keep(improved=row["validation_score"] > best_before)

    def _run_steps(self, epoch: int, report: Callable[[TrainingProgress], None]) -> list[float]:
        """One epoch's steps; the loss of each."""
        total = self.recipe.epochs * len(self._batches)
        losses = []
        self._seed_dropout(epoch)
        for step, (images, targets, weights) in enumerate(self._batches.epoch(epoch), start=1):
            self.model.optimizer.learning_rate = self._learning_rate(total)
            self.model.reset_metrics()
            logs = self.model.train_on_batch(images, targets, sample_weight=weights, return_dict=True)
            losses.append(float(logs["loss"]))
            self.steps_done += 1
            if self.steps_done % AVERAGE_EVERY == 0 or step == len(self._batches):
                self._update_average()
            report(TrainingProgress(epoch, step, len(self._batches), losses[-1]))
        return losses

    def _keep(self, improved: bool) -> None:
        """Write the state after an epoch into the folder."""
        if improved:
            self._write_best(self._average)
        self._write_checkpoint()

    def _learning_rate(self, steps: int) -> float:
        losses = tuple(row.get(f"validation_loss_{self.recipe.heads[0]}", 0.0) for row in self.history)
        return self.recipe.learning_rate_at(self.steps_done / steps, losses)

    def _seed_dropout(self, epoch: int) -> None:
        """Let Dropout follow from the seed and the epoch, too; the state of its generators is in no checkpoint."""
        generators = [layer.seed_generator for layer in self.model.layers if hasattr(layer, "seed_generator")]
        for number, generator in enumerate(generators):
            seeds = np.random.default_rng([self.seed, epoch, number]).integers(0, 2**31, 2)
            generator.state.assign(seeds.astype("uint32"))

    def _update_average(self) -> None:
        # While few steps are done the average follows closely, so that it is never far behind the weights.
        momentum = min(self.recipe.average_momentum, self.steps_done / (self.steps_done + 10)) ** AVERAGE_EVERY
        for average, weight in zip(self._average, self.model.get_weights(), strict=True):
            average *= momentum
            average += (1 - momentum) * weight

    def _validate(self) -> dict[str, float]:
        """Loss and accuracy of the averaged weights for each head, on plain faces of both splits alike."""
        metrics: dict[str, float] = {}
        with self._averaged() as predict:
            answers = {split: predict(dataset.images) for split, dataset in self._evaluated.items()}
        for split, logits in answers.items():
            for head in self.recipe.label_sets:
                labels = self._evaluated[split].as_label_set(head).labels
                known = labels >= 0
                scores, truth = logits[head.name][known], labels[known]
                log_probabilities = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
                metrics[f"{split}_loss_{head.name}"] = float(-log_probabilities[np.arange(len(truth)), truth].mean())
                metrics[f"{split}_accuracy_{head.name}"] = float((scores.argmax(axis=1) == truth).mean())
        metrics["validation_score"] = self._score(metrics)
        return metrics

    @contextmanager
    def _averaged(self) -> Iterator[Predict]:
        """Within it, the network has the averaged weights; gives its logits."""
        current = self.model.get_weights()
        self.model.set_weights(self._average)
        try:
            yield partial(predict_logits, self.model)
        finally:
            self.model.set_weights(current)

    def _score(self, metrics: Mapping[str, float]) -> float:
        """The score of an epoch; the epoch of the highest one is kept."""
        main = f"validation_loss_{self.recipe.heads[0]}"
        if main not in metrics:
            return float(len(self.history))  # without a validation split the last epoch is kept
        if self.recipe.kept == CheckpointMetric.LOSS:
            return -metrics[main]
        splits = [split for split in self._evaluated if split != "training"]
        return float(np.mean([metrics[f"{split}_accuracy_{head}"] for split in splits for head in self.recipe.heads]))

    def _recipe_as_json(self) -> dict:
        return json.loads(json.dumps(asdict(self.recipe)))

    def _write_best(self, weights: list[np.ndarray]) -> None:
        write_arrays(self.folder / "best.npz", _numbered(weight=weights), compressed=False)

    def _write_checkpoint(self) -> None:
        arrays = _numbered(
            weight=self.model.get_weights(),
            average=self._average,
            optimizer=[np.array(keras.ops.convert_to_numpy(v)) for v in self.model.optimizer.variables],
        )
        write_arrays(self.folder / "checkpoint.npz", arrays, compressed=False)
        state = {
            "recipe": self._recipe_as_json(),
            "seed": self.seed,
            "history": self.history,
            "trained_on": self.trained_on,
        }
        write_text(self.folder / "state.json", json.dumps(state, indent=1))
        pd.DataFrame(self.history).to_csv(self.folder / "history.csv", index=False)


def _numbered(**groups: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{group}_{i}": array for group, members in groups.items() for i, array in enumerate(members)}


def with_masks(faces: FaceDataset) -> FaceDataset:
    """The same faces, each under a mask of the training styles; always the same masks."""
    bank = default_bank(faces.images.shape[1], VALIDATION_MASKS_SEED)
    return replace(faces, images=bank.apply(faces.images, np.random.default_rng(VALIDATION_MASKS_SEED)).images)


def versions() -> dict[str, str]:
    """Versions of the packages that shape the weights."""
    packages: Mapping[str, Any] = {"keras": "keras", "numpy": "numpy", "opencv": "opencv-python-headless"}
    found = {label: importlib.metadata.version(name) for label, name in packages.items()}
    backend = keras.backend.backend()
    for candidate in (backend, f"{backend}-cpu"):
        try:
            return {"python": platform.python_version(), backend: importlib.metadata.version(candidate), **found}
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def accelerator() -> str | None:
    """The GPU that Keras' backend computes on, by its maker's name; ``None`` on a processor."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else device.device_kind
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if devices else None
