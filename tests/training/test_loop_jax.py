"""The training run on a device: the pixels of a plain run, and a run that learns and is taken up again, in JAX."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fer_core.augmentation.mixing import mix_labels
from fer_core.augmentation.policy import AugmentationPolicy, plan_epoch, sample_epoch
from fer_core.augmentation.transforms import Augmentation
from fer_core.training.loop_jax import augmented, mixed, mixed_labels
from fer_core.training.recipes import STRONG_AUGMENTATION

STRONG = replace(STRONG_AUGMENTATION, shear=8.0)


@pytest.mark.parametrize(
    "policy",
    [
        AugmentationPolicy(STRONG, mixup=0.4),
        AugmentationPolicy(STRONG, cutmix=1.0),
        AugmentationPolicy(replace(STRONG, mask=0.5)),
        AugmentationPolicy(Augmentation()),
    ],
    ids=["mixup", "cutmix", "masks", "nothing"],
)
def test_the_device_makes_the_pixels_and_labels_that_a_plain_run_makes(policy):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8)
    faces = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)
    targets = rng.dirichlet(np.ones(7), 40)
    weights = rng.random(40) * (rng.random(40) < 0.7)
    plan = plan_epoch(faces, policy, 16, 3, 5, 40)
    batches = list(sample_epoch(faces, policy, 16, 3, 5, 40))
    assert len(batches) == len(plan["rows"]) == 2
    for number, batch in enumerate(batches):
        drawn = {name: array[number] for name, array in plan.items()}
        assert np.array_equal(drawn["rows"], batch.rows)
        own = drawn["faces"] if "faces" in drawn else faces[batch.rows]
        images = np.asarray(mixed(augmented(own, drawn, 40), drawn))
        # OpenCV places pixels on a grid of 1/32 and rounds grey levels twice.
        assert np.abs(images - batch.mixed.images[..., 0]).mean() < 1.5
        assert np.quantile(np.abs(images - batch.mixed.images[..., 0]), 0.99) < 10
        labels = {"fer2013": targets[batch.rows]}, {"fer2013": weights[batch.rows]}
        weighted = weights[batch.rows] > 0
        for own_labels, theirs in zip(mixed_labels(*labels, drawn), mix_labels(batch.mixed, *labels), strict=True):
            assert np.allclose(own_labels["fer2013"][weighted], theirs["fer2013"][weighted], atol=1e-5)


_RUN = """
import json, sys
from pathlib import Path
import numpy as np
from fer_core.training.loop_jax import AcceleratedRun
from fer_core.training.recipes import STRONG_AUGMENTATION, Recipe
from fer_core.training.loop import TrainingRun
from tests.conftest import make_dataset
from tests.training.small_architecture import register_small

register_small()
folder = Path(sys.argv[1])
recipe = Recipe("small", epochs=4, batch_size=16, peak_learning_rate=0.5, mixed_precision=False, mixup=0.2,
                average_momentum=0.5, augmentation=STRONG_AUGMENTATION)
dataset = make_dataset()
whole = AcceleratedRun(recipe, dataset, folder / "whole", seed=5)
steps = []
whole.fit(steps.append)
with whole._averaged() as predict:
    on_device = predict(dataset.images[:40])["fer2013"]
plain = TrainingRun(recipe, dataset, folder / "whole", seed=5)
plain.resume()
with plain._averaged() as predict:
    by_keras = predict(dataset.images[:40])["fer2013"]
cut = AcceleratedRun(recipe, dataset, folder / "cut", seed=5)
try:
    def stop(row):
        cut._saved = -1e9
        if row["epoch"] == 2:
            raise KeyboardInterrupt
    cut.fit(every_epoch=stop)
except KeyboardInterrupt:
    pass
resumed = AcceleratedRun(recipe, dataset, folder / "cut", seed=5)
resumed.resume()
taken_up = len(resumed.history)
resumed.fit()
print(json.dumps({
    "losses": [row["loss"] for row in whole.history], "steps": len(steps), "finished": plain.finished,
    "apart": float(np.abs(on_device - by_keras).max()), "taken_up": taken_up,
    "resumed": [row["loss"] for row in resumed.history], "best": len(whole.best_model().get_weights()),
}))
"""


def test_a_run_on_the_device_learns_and_is_taken_up_where_it_stopped(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["losses"][-1] < said["losses"][0] - 0.1
    assert (said["finished"], said["steps"]) == (True, 4 * 3)
    assert said["apart"] < 1e-3, "the checkpoint holds the averaged weights that were judged"
    assert said["taken_up"] == 2, "the last checkpoint before the interruption"
    assert np.allclose(said["resumed"], said["losses"], atol=1e-3)
    assert said["best"] == 16
