"""The training run on a GPU: faces stay on the device, and an epoch is one program of it, compiled by JAX.

Random choices and their order are those of :class:`~fer_core.training.loop.TrainingRun`; only the pixels are computed
elsewhere, unrounded. Keras' backend has to be ``jax`` (``KERAS_BACKEND=jax``).
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fer_core.augmentation.policy import plan_epoch
from fer_core.models.prediction import EVALUATION_BATCH, Predict
from fer_core.training.loop import TrainingProgress, TrainingRun
from fer_core.training.recipes import Recipe

SAVED_EVERY = 60.0
"""Seconds between checkpoints: fetching the weights of a large network takes longer than its epoch."""
Arrays = list[jax.Array]
State = dict[str, Arrays]
"""``trainable``, ``others`` (moving statistics, states of dropout), ``optimizer``, and the moving averages of the first
two, ``average`` and ``average_others``."""


class AcceleratedRun(TrainingRun):
    """A :class:`TrainingRun` whose augmentation, steps and evaluation all run on the device.

    Its checkpoints are those of a plain run, a minute apart. It has no blur, noise and loss of resolution.
    """

    _state: State = {}  # noqa: RUF012  # empty until the first epoch
    _best: State | None = None
    _saved = 0.0

    def resume(self) -> None:
        """See :meth:`TrainingRun.resume`."""
        super().resume()
        self._state = {}

    def fit(
        self,
        report: Callable[[TrainingProgress], None] = lambda _: None,
        every_epoch: Callable[[dict[str, float]], None] = lambda _: None,
    ) -> None:
        """See :meth:`TrainingRun.fit`; ``report`` is called for the steps of an epoch at its end."""
        self._saved = time.monotonic()
        self._plans: dict[int, Future[dict[str, np.ndarray]]] = {}
        with self._open_samplers() as self._samplers:
            super().fit(report, every_epoch)

    def _run_steps(self, epoch: int, report: Callable[[TrainingProgress], None]) -> list[float]:
        if not self._state:
            self._load()
        self._seed_dropout(epoch)
        for i, variable in enumerate(self.model.non_trainable_variables):
            if not jnp.issubdtype(variable.value.dtype, jnp.floating):
                self._state["others"][i] = jnp.array(variable.value)
        plan = self._plan(epoch)
        total = self.recipe.epochs * self.steps_per_epoch
        rates = []
        for _ in range(self.steps_per_epoch):
            rates.append(self._learning_rate(total))
            self.steps_done += 1
        first = self.steps_done - self.steps_per_epoch
        counts = np.arange(first, self.steps_done)
        plan["rate"] = np.array(rates, np.float32)
        plan["momentum"] = np.minimum(self.recipe.average_momentum, counts / (counts + 10)).astype(np.float32)
        self._state, losses = self._steps(self._state, self._data, plan, self.recipe.size_at(epoch))
        losses = np.asarray(losses).tolist()
        for step, loss in enumerate(losses, start=1):
            report(TrainingProgress(epoch, step, len(losses), loss))
        return losses

    def _load(self) -> None:
        """Weights and faces to the device, and the programs that run on them."""
        model = self.model
        model.optimizer.build(model.trainable_variables)
        place = {id(v): ("average", i) for i, v in enumerate(model.trainable_variables)}
        place |= {id(v): ("average_others", i) for i, v in enumerate(model.non_trainable_variables)}
        self._average_places = [place[id(v)] for v in model.weights]
        # Copies, since the programs reuse the memory of their inputs.
        state = {
            "trainable": [jnp.array(v.value) for v in model.trainable_variables],
            "others": [jnp.array(v.value) for v in model.non_trainable_variables],
            "optimizer": [jnp.array(v.value) for v in model.optimizer.variables],
        }
        state["average"] = [jnp.array(v) for v in state["trainable"]]
        state["average_others"] = [jnp.array(v) for v in state["others"]]
        for (group, i), value in zip(self._average_places, self._average, strict=True):
            state[group][i] = jnp.asarray(value)
        self._state = state
        batches = self._batches
        self._data: dict[str, Any] = {"targets": _on_device(batches.targets), "weights": _on_device(batches.weights)}
        if not self.recipe.augmentation.mask:
            self._data["faces"] = jnp.asarray(batches.images)
        self._steps = jax.jit(self._epoch_program(), static_argnums=3, donate_argnums=0)
        self._answer = jax.jit(self._answers)

    def _plan(self, epoch: int) -> dict[str, np.ndarray]:
        """The plan of an epoch; the plans of the next ones are sampled meanwhile."""
        recipe, images = self.recipe, self._batches.images
        for ahead in range(epoch, min(epoch + 1 + self._ahead, recipe.epochs)):
            if ahead not in self._plans:
                faces = None if recipe.augmentation.mask else images
                self._plans[ahead] = self._samplers.submit(_sampled_plan, faces, recipe, self.seed, ahead)
        return self._plans.pop(epoch).result()

    def _open_samplers(self) -> Executor:
        if not self.recipe.augmentation.mask:
            self._ahead = 1
            return ThreadPoolExecutor(1)
        # Masks take seconds an epoch, so several epochs are sampled side by side.
        self._ahead = min(8, max(1, (os.cpu_count() or 1) // 2))
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._ahead, spawn, initializer=_hold, initargs=(self._batches.images,))

    def _epoch_program(self) -> Callable[[State, dict, dict, int], tuple[State, jax.Array]]:
        model, recipe = self.model, self.recipe
        loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)
        share_of_head = dict(zip(recipe.heads, recipe.head_weights, strict=True))
        rate = next(i for i, v in enumerate(model.optimizer.variables) if v is model.optimizer._learning_rate)

        def loss_and_others(trainable: Arrays, others: Arrays, images: jax.Array, targets: dict, weights: dict) -> Any:
            logits, others = model.stateless_call(trainable, others, images, training=True)
            loss = sum(
                share * loss_of(targets[head], logits[head], sample_weight=weights[head])
                for head, share in share_of_head.items()
            )
            return loss, others

        def epoch(state: State, data: dict, plan: dict, side: int) -> tuple[State, jax.Array]:
            def step(state: State, batch: dict) -> tuple[State, jax.Array]:
                faces = batch["faces"] if "faces" in batch else data["faces"][batch["rows"]]
                images = mixed(augmented(faces, batch, side), batch)
                targets, weights = mixed_labels(
                    {head: array[batch["rows"]] for head, array in data["targets"].items()},
                    {head: array[batch["rows"]] for head, array in data["weights"].items()},
                    batch,
                )
                differentiated = jax.value_and_grad(loss_and_others, has_aux=True)
                (loss, others), gradients = differentiated(
                    state["trainable"], state["others"], images[..., None], targets, weights
                )
                optimizer = list(state["optimizer"])
                optimizer[rate] = batch["rate"]
                trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, state["trainable"])
                follow = _follow(batch["momentum"])
                return {
                    "trainable": trainable,
                    "others": others,
                    "optimizer": optimizer,
                    "average": [follow(*pair) for pair in zip(state["average"], trainable, strict=True)],
                    "average_others": [follow(*pair) for pair in zip(state["average_others"], others, strict=True)],
                }, loss

            return jax.lax.scan(step, state, plan)

        return epoch

    def _answers(self, average: Arrays, others: Arrays, images: jax.Array) -> dict[str, jax.Array]:
        """Logits of a batch ``(B, S, S) uint8``."""
        return self.model.stateless_call(average, others, images[..., None].astype(jnp.float32), training=False)[0]

    @contextmanager
    def _averaged(self) -> Iterator[Predict]:
        if not self._state:
            self._load()
        state = self._state

        def predict(images: np.ndarray) -> dict[str, np.ndarray]:
            batches = -(-len(images) // EVALUATION_BATCH)
            padded = np.zeros((batches * EVALUATION_BATCH, *images.shape[1:]), images.dtype)
            padded[: len(images)] = images
            parts = [
                self._answer(state["average"], state["average_others"], batch)
                for batch in padded.reshape(batches, EVALUATION_BATCH, *images.shape[1:])
            ]
            return {
                head: np.concatenate([np.asarray(part[head], np.float32) for part in parts])[: len(images)]
                for head in parts[0]
            }

        yield predict

    def _keep(self, improved: bool) -> None:
        state = self._state
        if improved:
            self._best = {group: [jnp.array(a) for a in state[group]] for group in ("average", "average_others")}
        if time.monotonic() - self._saved < SAVED_EVERY and not self.finished:
            return
        self._saved = time.monotonic()
        if self._best:
            self._write_best([np.asarray(self._best[group][i]) for group, i in self._average_places])
            self._best = None
        self._average = [np.asarray(state[group][i]) for group, i in self._average_places]
        for variables, group in (
            (self.model.trainable_variables, "trainable"),
            (self.model.non_trainable_variables, "others"),
            (self.model.optimizer.variables, "optimizer"),
        ):
            for variable, value in zip(variables, state[group], strict=True):
                variable.assign(jnp.array(value))
        self._write_checkpoint()


_held: np.ndarray


def _hold(images: np.ndarray) -> None:
    """Give a sampling process its faces."""
    global _held
    _held = images


def _sampled_plan(images: np.ndarray | None, recipe: Recipe, seed: int, epoch: int) -> dict[str, np.ndarray]:
    faces = _held if images is None else images
    return plan_epoch(faces, recipe.policy, recipe.batch_size, seed, epoch, recipe.size_at(epoch))


def _on_device(arrays: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def _follow(momentum: jax.Array) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def follow(average: jax.Array, value: jax.Array) -> jax.Array:
        if not jnp.issubdtype(value.dtype, jnp.floating):
            return value  # the state of a random generator
        return average * momentum + value * (1 - momentum)

    return follow


def augmented(faces: jax.Array, plan: Mapping[str, jax.Array], side: int) -> jax.Array:
    """Changed faces ``(B, side, side) float32`` in 0..255, as :meth:`Augmentation.apply` makes them but unrounded.

    Args:
        faces: ``(B, H, W) uint8``.
        plan: ``matrix`` ``(B, 2, 3)`` from pixels of the result to pixels of the source; ``contrast`` and ``offset``
            ``(B,)``; ``erased`` ``(B, 5)``, see :meth:`Augmentation.sample_erasing`.
        side: of the result in pixels.
    """
    height, width = faces.shape[1:]
    along = jnp.arange(side, dtype=jnp.float32)
    matrix = plan["matrix"][:, :, :, None, None]
    # Beyond the border the last pixel goes on.
    x = jnp.clip(matrix[:, 0, 0] * along + matrix[:, 0, 1] * along[:, None] + matrix[:, 0, 2], 0, width - 1)
    y = jnp.clip(matrix[:, 1, 0] * along + matrix[:, 1, 1] * along[:, None] + matrix[:, 1, 2], 0, height - 1)
    left, top = (jnp.minimum(jnp.floor(v), limit - 2) for v, limit in ((x, width), (y, height)))
    right_share, low_share = x - left, y - top
    place = (top * width + left).astype(jnp.int32).reshape(len(faces), -1)
    flat = faces.reshape(len(faces), -1)
    corner = [
        jnp.take_along_axis(flat, place + step, axis=1).reshape(x.shape).astype(jnp.float32)
        for step in (0, 1, width, width + 1)
    ]
    upper = corner[0] + (corner[1] - corner[0]) * right_share
    lower = corner[2] + (corner[3] - corner[2]) * right_share
    pixels = upper + (lower - upper) * low_share
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    pixels = (pixels - mean) * plan["contrast"][:, None, None] + mean + plan["offset"][:, None, None]
    top, left, high, wide, grey = (plan["erased"][:, i, None, None] for i in range(5))
    rows, columns = along[:, None], along[None, :]
    blank = (rows >= top) & (rows < top + high) & (columns >= left) & (columns < left + wide)
    return jnp.where(blank, grey, jnp.clip(pixels, 0, 255))


def mixed(images: jax.Array, plan: Mapping[str, jax.Array]) -> jax.Array:
    """MixUp or CutMix of ``(B, S, S)`` as planned, see :func:`fer_core.augmentation.mixing.mix`."""
    partners = images[plan["partners"]]
    top, bottom, left, right = plan["cut"]
    along = jnp.arange(images.shape[1])
    rows, columns = along[:, None], along[None, :]
    pasted = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    blended = plan["share"] * images + (1 - plan["share"]) * partners
    return jnp.where(plan["cuts"], jnp.where(pasted, partners, images), blended)


def mixed_labels(
    targets: dict[str, jax.Array], weights: dict[str, jax.Array], plan: Mapping[str, jax.Array]
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """See :func:`fer_core.augmentation.mixing.mix_labels`."""
    share, partners = plan["share"], plan["partners"]
    both = {head: share * w + (1 - share) * w[partners] for head, w in weights.items()}
    shares = {head: (share * w / jnp.maximum(both[head], 1e-12))[:, None] for head, w in weights.items()}
    return {head: shares[head] * t + (1 - shares[head]) * t[partners] for head, t in targets.items()}, both
