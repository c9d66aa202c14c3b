"""Models on faces that are hard to read: accuracy by condition, and the recall that each class loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fer_core.evaluation.robustness.conditions import UNMASKED
from fer_core.evaluation.robustness.evaluate import ConditionMetrics
from fer_core.plots.model_styles import GROUPED, NEUTRAL, ModelStyle, bar_trace, error_bars, layout, share_axis


def robustness_figure(
    by_model: Mapping[str, Sequence[ConditionMetrics]], styles: Mapping[str, ModelStyle]
) -> go.Figure:
    """Accuracy with its 95% interval by condition, the models side by side.

    Args:
        by_model: by name.
        styles: by name.
    """
    traces = []
    for name, conditions in by_model.items():
        style = styles[name]
        accuracies = [c.accuracy for c in conditions]
        low, high = ([c.interval[end] for c in conditions] for end in (0, 1))
        traces.append(
            go.Scatter(
                x=[c.condition.title for c in conditions],
                y=accuracies,
                name=style.title,
                mode="markers",
                marker={"color": style.colour, "symbol": style.symbol, "size": 10},
                error_y=error_bars(accuracies, low, high, style.colour),
                customdata=[[*c.interval, c.share, c.condition.setting] for c in conditions],
                hovertemplate=f"{style.title}, %{{x}}: %{{customdata[3]}}<br>accuracy %{{y:.1%}} "
                "[%{customdata[0]:.1%}, %{customdata[1]:.1%}], %{customdata[2]:.0%} of the unmasked accuracy<extra></extra>",
            )
        )
    return go.Figure(
        data=traces,
        layout=layout("Faces", "Accuracy, 95% interval", 420, yaxis=share_axis(), scattermode="group", scattergap=0.5),
    )


def recall_cost_figure(
    by_model: Mapping[str, Sequence[ConditionMetrics]], styles: Mapping[str, ModelStyle], condition: str
) -> go.Figure:
    """Recall that each class loses under a condition: one group of bars per class, one bar per model.

    Args:
        by_model: by name; models without the condition are left out.
        styles: by name.
        condition: name of one but :data:`fer_core.evaluation.robustness.conditions.UNMASKED`.

    Raises:
        ValueError: the condition is that of unmasked faces, which lose nothing.
    """
    if condition == UNMASKED:
        raise ValueError("expected a condition that changes faces, got the unmasked ones")
    bars, title = [], condition
    for name, conditions in by_model.items():
        found = next((c for c in conditions if c.condition.name == condition), None)
        if found is None:
            continue
        title = found.condition.title
        per_class = found.metrics["per_class"]
        recalls = [
            [per_class[emotion]["recall"] + lost, per_class[emotion]["recall"], per_class[emotion]["support"]]
            for emotion, lost in found.recall_lost.items()
        ]
        model, lost = styles[name], list(found.recall_lost.values())
        hover = f"{model.title}, %{{x}}: recall %{{customdata[0]:.1%}} unmasked, %{{customdata[1]:.1%}} here, "
        hover += "%{customdata[2]} faces"
        bars.append(bar_trace(list(found.recall_lost), lost, model.title, model.colour, hover, customdata=recalls))
    return go.Figure(
        data=bars,
        layout=layout(
            "Class",
            f"Recall lost, {title.lower()}",
            340,
            yaxis={"tickformat": "+.0%", "zeroline": True, "zerolinecolor": NEUTRAL},
            **GROUPED,
        ),
    )
