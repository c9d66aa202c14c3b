"""The figures and tables of each tab of a comparison; the tabs show them, the report collects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from fer_core.app.common.cached_data import kept
from fer_core.app.compare.choice import BY_DIGEST, Choice, scored_of
from fer_core.app.compare.robustness import robustness_report_figures
from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.evaluation import curves
from fer_core.evaluation.leaderboard import cost_table
from fer_core.evaluation.scored import compare_scored
from fer_core.evaluation.significance import Comparison
from fer_core.plots import curves as curve_plots
from fer_core.plots import models as model_plots
from fer_core.plots.models import PER_CLASS, Normalisation
from fer_core.plots.report import ReportFigure
from fer_core.store.store import StoredModel


@dataclass(frozen=True)
class View:
    """How the charts are drawn."""

    normalisation: Normalisation = Normalisation.BY_ROW
    by_similarity: bool = False
    curve: str = curves.MACRO
    """The class whose ROC and precision-recall curves are shown."""
    pair: tuple[str, str] | None = None
    """Names of the two models whose difference is shown; the first two if left out."""


def class_order(choice: Choice, view: View) -> np.ndarray:
    """The order of classes in all matrices of the choice: the label set's, or by the sum of their confusions."""
    if not view.by_similarity:
        return np.arange(len(choice.label_set))
    total = np.sum([np.array(metrics["confusion"]) for metrics in choice.metrics.values()], axis=0)
    return curves.similarity_order(total)


def pair_of(choice: Choice, view: View) -> tuple[str, str] | None:
    """The two models of the view; ``None`` where only one is chosen."""
    names = list(choice.models)
    if view.pair and set(view.pair) <= set(names):
        return view.pair
    return (names[0], names[1]) if len(names) > 1 else None


def confusion_report_figures(choice: Choice, view: View) -> list[ReportFigure]:
    """One matrix per model, and the difference of two."""
    order = class_order(choice, view)
    matrices = {name: np.array(metrics["confusion"]) for name, metrics in choice.metrics.items()}
    report_figures = [
        ReportFigure(
            f"confusion-{name}",
            f"Confusion, {choice.styles[name].title}",
            model_plots.confusion_matrix(matrix, choice.label_set, view.normalisation, order),
        )
        for name, matrix in matrices.items()
    ]
    pair = pair_of(choice, view)
    if pair:
        a, b = (choice.styles[name].title for name in pair)
        first, second = (matrices[name] for name in pair)
        figure = model_plots.confusion_difference(first, second, choice.label_set, view.normalisation, order)
        note = f"Above zero: more often with {a}; below: more often with {b}. On the diagonal more is better."
        report_figures.append(ReportFigure("confusion-difference", f"{a} minus {b}", figure, note))
    return report_figures


def per_class_report_figures(choice: Choice) -> list[ReportFigure]:
    """Bars of each metric, and all of them as a table."""
    per_class = {name: metrics["per_class"] for name, metrics in choice.metrics.items()}
    bars = [
        ReportFigure(f"per-class-{key}", f"{title} by class", model_plots.per_class_bars(per_class, choice.styles, key))
        for key, title in PER_CLASS.items()
    ]
    rows = [
        {"model": choice.styles[name].title, "class": emotion, **of_class}
        for name, classes in per_class.items()
        for emotion, of_class in classes.items()
    ]
    percent = dict.fromkeys(PER_CLASS, "percent")
    return [*bars, ReportFigure("per-class", "Per class", pd.DataFrame(rows), formats=percent, headings=PER_CLASS)]


@kept(64, hash_funcs=BY_DIGEST)
def _roc(model: StoredModel, rule: str, split: Split) -> list[curves.Curve]:
    scored = scored_of(model, rule, split)
    return curves.roc_curves(scored.probabilities, scored.labels, scored.rule.label_set)


@kept(64, hash_funcs=BY_DIGEST)
def _precision_recall(model: StoredModel, rule: str, split: Split) -> list[curves.Curve]:
    scored = scored_of(model, rule, split)
    return curves.precision_recall_curves(scored.probabilities, scored.labels, scored.rule.label_set)


def curve_report_figures(choice: Choice, view: View) -> list[ReportFigure]:
    """ROC, precision against recall, reliability before and after temperature scaling, coverage."""

    def all_curves(curves_of: Callable[..., list[curves.Curve]]) -> dict[str, list[curves.Curve]]:
        return {n: curves_of(model, choice.rules[n].name, choice.split) for n, model in choice.models.items()}

    def lines(by_model: dict[str, list[curves.Curve]]) -> list:
        return [(choice.styles[n], curve) for n, own in by_model.items() for curve in own if curve.name == view.curve]

    roc, precision_recall = all_curves(_roc), all_curves(_precision_recall)

    scored = choice.scored
    of = view.curve if view.curve == curves.MACRO else f"{view.curve} against the rest"
    before, after, coverage = [], [], []
    for name, own in scored.items():
        style = choice.styles[name]
        before.append((style, curves.reliability(own.uncalibrated, own.labels)))
        after.append((style, curves.reliability(own.probabilities, own.labels)))
        coverage.append((style, curves.coverage_curve(own.probabilities, own.labels)))
    areas = [
        {
            "model": choice.styles[name].title,
            "class": of_class.name,
            "ROC area": of_class.auc,
            "average precision": precision.auc,
        }
        for name in choice.models
        for of_class, precision in zip(roc[name], precision_recall[name], strict=True)
    ]
    three_digits = dict.fromkeys(("ROC area", "average precision"), "%.3f")
    return [
        ReportFigure(
            "roc",
            f"ROC, {of}",
            curve_plots.roc_figure(lines(roc)),
            "The nearer to the upper left corner the better.",
        ),
        ReportFigure(
            "precision-recall",
            f"Precision against recall, {of}",
            curve_plots.precision_recall_figure(lines(precision_recall)),
            "Harder than ROC on rare classes; the nearer to the upper right corner the better.",
        ),
        ReportFigure(
            "reliability-before",
            "Reliability before temperature scaling",
            curve_plots.reliability_figure(before),
            "Above the line a model is right more often than it claims, below it less often.",
        ),
        ReportFigure(
            "reliability-after",
            "Reliability after temperature scaling",
            curve_plots.reliability_figure(after),
            "These are the probabilities that the pages show.",
        ),
        ReportFigure(
            "coverage",
            "Accuracy against coverage",
            curve_plots.coverage_figure(coverage),
            "A model that says 'unsure' for its least sure answers is right more often about the others.",
        ),
        ReportFigure("areas", "Areas under the curves", pd.DataFrame(areas), formats=three_digits),
    ]


def learning_report_figures(choice: Choice) -> tuple[list[ReportFigure], list[str]]:
    """Loss, accuracy and learning rate, and a sentence per model about its training."""
    runs, words = {}, []
    for name, model in choice.models.items():
        title = choice.styles[name].title
        head = choice.label_set.name
        try:
            if model.card.members:
                words.append(f"{title}: an ensemble is not trained; see its members.")
                continue
            history = model.history()
        except ModelError as error:
            words.append(f"{title}: {error}")
            continue
        if f"training_loss_{head}" not in history:  # e.g. five classes, answered by the head of seven
            head = next((h for h in model.card.heads if f"training_loss_{h}" in history), head)
        runs[name] = curve_plots.Run(history, head, model.card.best_epoch)
        words.append(f"{title} ({head} head): {curves.training_gap(history, head, model.card.best_epoch)}")
    if not runs:
        return [], words
    report_figures = [
        ReportFigure(f"learning-{panel}", title, curve_plots.learning_figure(runs, choice.styles, panel))
        for panel, title in curve_plots.LEARNING_PANELS.items()
    ]
    rows = [run.history.assign(model=choice.styles[name].title) for name, run in runs.items()]
    table = pd.concat(rows)
    table = table[["model", *(column for column in table if column != "model")]]
    return [*report_figures, ReportFigure("histories", "Histories", table)], words


def comparisons(choice: Choice) -> tuple[dict[tuple[str, str], Comparison], list[str]]:
    """McNemar's test for each pair, and a sentence for each pair that cannot be compared."""
    scored, found, words = choice.scored, {}, []
    for a, b in combinations(scored, 2):
        try:
            found[a, b] = compare_scored(scored[a], scored[b], (choice.styles[a].title, choice.styles[b].title))
        except ModelError as error:
            words.append(str(error))
    return found, words


def significance_report_figures(choice: Choice, view: View) -> tuple[list[ReportFigure], list[str]]:
    """p values, readings, and where the pair of the view disagrees; with what cannot be compared in words."""
    found, words = comparisons(choice)
    if not found:
        return [], words
    names = list(choice.models)
    p_values = np.full((len(names), len(names)), np.nan)
    for (a, b), comparison in found.items():
        i, j = names.index(a), names.index(b)
        p_values[i, j] = p_values[j, i] = comparison.test.p_value
    rows = [
        {
            "first": comparison.names[0],
            "second": comparison.names[1],
            "both right": comparison.test.both_right,
            "only the first": comparison.test.only_a,
            "only the second": comparison.test.only_b,
            "both wrong": comparison.test.both_wrong,
            "p": comparison.test.p_value,
            "reading": comparison.reading,
        }
        for comparison in found.values()
    ]
    note = "Two-sided p values of McNemar's exact test on the same faces."
    if len(found) > 1:
        note += f" Of {len(found)} pairs, one in twenty would fall below 0.05 by chance alone."
    figure = model_plots.mcnemar_matrix(p_values, [choice.styles[name].title for name in names])
    report_figures = [
        ReportFigure("significance", "Who is right more often than chance explains", figure, note),
        ReportFigure("pairs", "Pairs", pd.DataFrame(rows)),
    ]
    pair = pair_of(choice, view)
    if pair and (pair in found or pair[::-1] in found):
        report_figures += _disagreement_report_figures(choice, pair)
    return report_figures, words


def _disagreement_report_figures(choice: Choice, pair: tuple[str, str]) -> list[ReportFigure]:
    """Where two models disagree: by class, and face by face."""
    a, b = (choice.scored[name] for name in pair)
    titles = [choice.styles[name].title for name in pair]
    found = curves.disagreements(a.answers, b.answers, a.labels)
    emotions = np.array(choice.label_set.names)
    by_right = {f"only {titles[0]}": found.only_a, f"only {titles[1]}": found.only_b, "neither": found.both_wrong}
    size = len(emotions)
    counts = {who: np.bincount(a.labels[rows], minlength=size) for who, rows in by_right.items()}
    rows = np.concatenate(list(by_right.values()))
    faces = pd.DataFrame(
        {
            "row": a.rows[rows],
            "true": emotions[a.labels[rows]],
            titles[0]: emotions[a.answers[rows]],
            titles[1]: emotions[b.answers[rows]],
            "right": np.repeat(list(by_right), [len(own) for own in by_right.values()]),
            f"{titles[0]}, for the true class": a.probabilities[rows, a.labels[rows]].round(4),
            f"{titles[1]}, for the true class": b.probabilities[rows, a.labels[rows]].round(4),
        }
    ).sort_values("row")
    note = f"They answer differently for {len(found)} of {len(a.rows)} faces."
    return [
        ReportFigure(
            "disagreement-by-class", "Who is right, by true class", pd.DataFrame({"class": emotions, **counts}), note
        ),
        ReportFigure("disagreements", "Every face they disagree on", faces),
    ]


def cost_report_figure(choice: Choice) -> ReportFigure:
    """What the chosen models cost."""
    titles = {name: style.title for name, style in choice.styles.items()}
    table = cost_table(list(choice.models.values()), titles)
    return ReportFigure("costs", "Costs", table, formats=dict.fromkeys(table.select_dtypes("number"), "%.4g"))


def report_sections(
    choice: Choice, view: View, first: list[ReportFigure]
) -> tuple[dict[str, list[ReportFigure]], list[str]]:
    """Everything about a choice by heading, and sentences about training and about pairs that cannot be compared.

    Args:
        choice: the models.
        view: how charts are drawn.
        first: figures that are on the page already.
    """
    learning, of_training = learning_report_figures(choice)
    significance, incomparable = significance_report_figures(choice, view)
    robustness, _ = robustness_report_figures(choice)
    long = ("disagreements", "histories")  # tables of a row per face or epoch
    sections = {
        "All models": first,
        "Confusion": confusion_report_figures(choice, view),
        "Per class": per_class_report_figures(choice),
        "Curves": curve_report_figures(choice, view),
        "Learning curves": [figure for figure in learning if figure.name not in long],
        "Significance": [figure for figure in significance if figure.name not in long],
        "Robustness": robustness,
        "Cost": [cost_report_figure(choice)],
    }
    return sections, [*of_training, *incomparable]
