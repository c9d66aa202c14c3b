"""The robustness of stored models on the command line: measured with a progress bar, as text and as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
from tqdm import tqdm

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import FerError
from fer_core.evaluation.metrics import markdown_lines, percent_with_interval
from fer_core.evaluation.robustness.conditions import CONDITIONS, SEED, UNMASKED
from fer_core.evaluation.robustness.evaluate import (
    measure_store,
    measured_rules,
    models_to_measure,
    robustness_metrics,
)
from fer_core.store.store import ModelStore

NOTE = (
    "Accuracy on FER2013's PrivateTest with its 95% bootstrap interval and, in brackets, as a share of the bare figure. "
    + "; ".join(f"{c.title}: {c.setting}" for c in CONDITIONS.values() if c.name != UNMASKED)
    + f". Draws are seeded with {SEED}."
)
HOW_TO_MEASURE = "`python -m fer_core robustness NAME --data PATH`"
NOTHING = f"No model's robustness is measured here; {HOW_TO_MEASURE} measures it."


def measure_with_bar(store: ModelStore, names: Sequence[str], dataset: FaceDataset) -> None:
    """As :func:`fer_core.evaluation.robustness.evaluate.measure_store`, with a bar that says how long it will take.

    Raises:
        FerError: it was interrupted; what was measured of whole models is kept.
    """
    faces = int((dataset.splits == Split.TEST).sum()) * len(CONDITIONS) * len(models_to_measure(store, names))
    done: list[str] = []
    with tqdm(total=faces, unit="face", mininterval=0.5 if sys.stderr.isatty() else 60, dynamic_ncols=True) as bar:

        def report(name: str, count: int) -> None:
            bar.set_description(name, refresh=False)
            bar.update(count)

        try:
            for name in measure_store(store, names, dataset, report):
                done.append(name)
        except KeyboardInterrupt:
            kept = ", ".join(done) or "none"
            raise FerError(f"Stopped; models measured anew and kept: {kept}.") from None


def robustness_table(store: ModelStore, names: Sequence[str] = ()) -> pd.DataFrame:
    """One row per condition, one column per model and answer, cells as texts for people; empty if nothing is measured.

    Args:
        store: the models.
        names: which; all of the store if empty.

    Raises:
        ModelError: there is no such model, or what is stored of it cannot be read.
    """
    columns: dict[str, dict[str, str]] = {}
    for model in [store.load(name) for name in names or store.names()]:
        for rule in measured_rules(model):
            cells = {}
            for of_condition in robustness_metrics(model, rule):
                share = "" if of_condition.condition.name == UNMASKED else f" ({of_condition.share:.0%})"
                accuracy = percent_with_interval(of_condition.accuracy, of_condition.interval)
                cells[of_condition.condition.title] = accuracy + share
            if cells:
                columns[f"{model.name}, {rule.name}"] = cells
    table = pd.DataFrame(columns)
    order = [c.title for c in CONDITIONS.values() if c.title in table.index]
    return table.reindex(order).fillna("-").rename_axis("faces").reset_index() if columns else table


def as_text(table: pd.DataFrame) -> str:
    """The table for a terminal."""
    return NOTHING if table.empty else f"{table.to_string(index=False)}\n\n{NOTE}"


def as_markdown(table: pd.DataFrame) -> str:
    """The table in Markdown."""
    return NOTHING if table.empty else "\n".join([*markdown_lines(table), "", NOTE])
