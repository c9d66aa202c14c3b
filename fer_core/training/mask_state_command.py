"""``python -m fer_core train-mask-state``."""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from fer_core.datasets import read_dataset
from fer_core.datasets.mask_photos import read_mask_photos
from fer_core.training.mask_state import EPOCHS, train_mask_state
from fer_core.vision.detectors import DEFAULT_DETECTOR, create_detector
from fer_core.vision.mask_state import INPUT_SIZE, MASK_STATE_FOLDER


def train_and_print(options: argparse.Namespace) -> int:
    """Read, train, store, and print what the card says; returns the exit status."""
    dataset = read_dataset(options.data)
    with tqdm(total=100, unit="%", desc="photos") as bar:
        photos = read_mask_photos(
            options.masks,
            create_detector(DEFAULT_DETECTOR),
            INPUT_SIZE,
            options.seed,
            lambda share: bar.update(100 * share - bar.n),
        )

    def report(row: dict[str, float]) -> None:
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), file=sys.stderr, flush=True)

    folder = options.out or MASK_STATE_FOLDER
    card = train_mask_state(dataset, photos, folder, options.seed, options.epochs or EPOCHS, report)
    for group, figures in card["figures"].items():
        states = ", ".join(f"{state} {recall:.1%}" for state, recall in figures["states"].items())
        print(f"{group:30} {figures['faces']:5} faces  covered or bare {figures['covered or bare']:.1%}  ({states})")
    return 0
