"""What an audit found, as lists to read and as a cleaned index of the training split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from fer_core.curation.audit import Reason
from fer_core.curation.summary import DatasetSummary
from fer_core.datasets.dataset import Split

DUPLICATES = "duplicates"


@dataclass(frozen=True)
class LabelFinding:
    """One kind of doubtful rows."""

    name: str
    """What the command line calls it."""
    title: str
    meaning: str
    """What the rows have in common, in a sentence."""
    rows: pd.DataFrame
    """Every row of the kind, in any split, with ``row, split, label`` and what is known of it."""
    removable: pd.DataFrame
    """``row, reason`` of the training rows that a cleaned index leaves out for it."""


def findings(summary: DatasetSummary) -> list[LabelFinding]:
    """The lists of an audit, those that only FER+'s votes tell left out where there are none."""
    groups = summary.duplicates.groups
    found = [
        LabelFinding(
            DUPLICATES,
            "Same picture twice",
            "Training rows whose picture is there once more, also in a split that judges networks, or under another label; "
            "of copies in training that agree, the first stays.",
            groups,
            summary.redundant_rows,
        ),
        _of_reasons(
            summary.unusable,
            "unusable",
            "Nothing to learn from",
            "Pictures without a face, without anything, or cut off at the rim.",
            (Reason.NO_FACE, Reason.FLAT, Reason.CUT),
        ),
    ]
    if summary.suspects is not None:
        found.append(
            _of_reasons(
                summary.suspects,
                "suspects",
                "Likely label errors",
                "Labels that FER+'s ten annotators make unlikely, by confident learning: the threshold of each class is "
                "what annotators say on average of the faces that carry its label.",
                (Reason.SUSPECT,),
            )
        )
    if summary.contradicted is not None:
        found += [
            _of_reasons(
                summary.contradicted,
                "contradicted",
                "Annotators say otherwise",
                "More than half of FER+'s annotators name another emotion than the label.",
                (Reason.CONTRADICTED,),
            ),
            _of_reasons(
                summary.contradicted,
                "no-majority",
                "Annotators disagree",
                "No emotion has more than half of FER+'s votes, so any single label is a guess.",
                (Reason.NO_MAJORITY,),
            ),
        ]
    return found


def cleaned_index(chosen: Iterable[LabelFinding]) -> pd.DataFrame:
    """The training rows that any of the findings leaves out: ``row, reason``, each row once, in order.

    :func:`fer_core.curation.audit.write_exclusions` writes it for ``train --exclude``; a row that several findings name
    has the reason of the first.
    """
    parts = [finding.removable for finding in chosen]
    listed = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"row": [], "reason": []})
    return listed.drop_duplicates("row").sort_values("row", ignore_index=True).astype({"row": "int64"})


def _of_reasons(listed: pd.DataFrame, name: str, title: str, meaning: str, reasons: tuple[Reason, ...]) -> LabelFinding:
    rows = listed[listed["reason"].isin([str(reason) for reason in reasons])].reset_index(drop=True)
    training = rows["split"] == str(Split.TRAINING)
    return LabelFinding(name, title, meaning, rows, rows.loc[training, ["row", "reason"]].reset_index(drop=True))
