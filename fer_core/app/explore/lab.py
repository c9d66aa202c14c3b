"""The augmentation lab: a slider for every transformation, what training would draw, and the recipe to take away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.page import errors_in_words
from fer_core.app.explore.explored import ExploredDataset
from fer_core.app.explore.lab_face import LabFace, choose_lab_face
from fer_core.app.explore.lab_masks import masks_part
from fer_core.augmentation.guide import ALWAYS, OFF, TRANSFORMATIONS, Group, Transformation, Unit, label_warnings
from fer_core.augmentation.mixing import MixingPlan
from fer_core.augmentation.policy import PREVIEWED, AugmentationPolicy, Preview, preview_batch, preview_face
from fer_core.datasets.dataset import Split
from fer_core.datasets.splits import divided
from fer_core.plots.augmentation import CELL, face_sheet, histogram_figure
from fer_core.plots.report import ReportFigure
from fer_core.training.recipes import FULL_EPOCHS, Recipe, authors_using, presets

NOTHING = "Nothing"
"""The preset that switches everything off."""
FIRST_PRESET = "senet"
FILE = "augmentation.toml"
LARGEST_SEED = 2**31 - 1
_PRESET = "lab-preset"
_FORMATS = {Unit.DEGREES: "%.0f°", Unit.LEVELS: "%.0f", Unit.PIXELS: "%.1f px", Unit.ALPHA: "%.2f"}
_PRESETS = presets()
_PLAIN = Recipe(architecture="", epochs=1)
"""Of batches where no preset is chosen."""


@dataclass(frozen=True)
class _Settings:
    preset: str
    policy: AugmentationPolicy
    seed: int
    epoch: int
    """Counted from 0."""

    @property
    def recipe(self) -> Recipe:
        return _PRESETS.get(self.preset, _PLAIN)

    @property
    def changed(self) -> bool:
        """Whether the sliders say something else than the preset."""
        return self.policy != AugmentationPolicy.of(_strengths(self.preset))

    @property
    def command(self) -> str:
        """What trains so."""
        name = "NAME" if self.preset == NOTHING else self.preset
        file = f" --augment {FILE}" if self.changed or self.preset == NOTHING else ""
        return f"python -m fer_core train {name} --data PATH{file} --seed {self.seed}"


def lab_tab(explored: ExploredDataset) -> None:
    """The whole section."""
    st.markdown(
        "Training never shows a network the same picture twice: each time it draws a changed copy. Set the changes here and "
        "see what would be drawn; the function that draws is the one that training runs, so the same seed gives the same "
        "pixels."
    )
    with st.container(border=True):
        face = choose_lab_face(explored)
        if face is None:
            return
        st.caption(face.words)
    _lab(explored, face)
    st.divider()
    masks_part(face)


@st.fragment
def _lab(explored: ExploredDataset, face: LabFace) -> None:
    """Sliders and draws: a fragment, so that a slider redraws these alone."""
    with errors_in_words():
        left, right = st.columns([2, 3], gap="large")
        with left:
            settings = _settings()
        with right:
            with st.spinner("Drawing…"):
                preview = _preview(explored, face, settings)
            _show_draws(face, settings, preview)
            _show_recipe(settings)
        _show_table(settings.policy)


def _strengths(preset: str) -> dict[str, float]:
    policy = _PRESETS[preset].policy if preset in _PRESETS else AugmentationPolicy()
    return policy.strengths


def _key(name: str) -> str:
    return f"lab-{name}"


def _take_preset() -> None:
    strengths = _strengths(st.session_state[_PRESET])
    st.session_state.update({_key(name): strength for name, strength in strengths.items()})


def _settings() -> _Settings:
    box, button = st.columns([3, 2], vertical_alignment="bottom")
    names = [NOTHING, *_PRESETS]
    preset = box.selectbox(
        "Start from a recipe",
        names,
        index=names.index(FIRST_PRESET),
        key=_PRESET,
        persist_state="session",
        on_change=_take_preset,
        help="The recipes as `train` calls them: this project's own, those that the authors of an architecture published "
        "(--authors), and the long schedule for a GPU (--full).",
    )
    button.button("Set back", on_click=_take_preset, icon=":material/restart_alt:", width="stretch")
    places = st.tabs([str(group) for group in Group])
    start = _strengths(preset)
    chosen = {}
    for group, place in zip(Group, places, strict=True):
        with place:
            for transformation in TRANSFORMATIONS:
                if transformation.group == group:
                    chosen[transformation.name] = _slider(transformation, start[transformation.name])
    seeds, epochs = st.columns(2)
    seed = seeds.number_input(
        "Seed", 0, LARGEST_SEED, key="lab-seed", persist_state="session", help="As that of `train --seed`."
    )
    epoch = epochs.number_input(
        "Epoch",
        1,
        FULL_EPOCHS,
        key="lab-epoch",
        persist_state="session",
        help="Training draws anew in every epoch: the next one gives other draws.",
    )
    return _Settings(preset, AugmentationPolicy.of(chosen), int(seed), int(epoch) - 1)


def _slider(transformation: Transformation, start: float) -> float:
    key = _key(transformation.name)
    st.session_state.setdefault(key, start)  # a preset sets it later on, which a default would not allow
    unit = "" if transformation.unit == Unit.DEGREES else f", {transformation.unit}"
    return st.slider(
        transformation.title + unit,
        0.0,
        float(transformation.most),
        step=float(transformation.step),
        format="percent" if transformation.unit.is_share else _FORMATS[transformation.unit],
        key=key,
        persist_state="session",
        help=transformation.does,
    )


def _preview(explored: ExploredDataset, face: LabFace, settings: _Settings) -> Preview:
    if face.pixels is not None or explored.dataset is None:
        pixels = face.pixels if face.pixels is not None else face.others[0]
        return preview_face(pixels, face.others, settings.policy, settings.seed, settings.epoch)
    recipe = settings.recipe
    rows = np.flatnonzero(divided(explored.dataset, settings.seed).splits == Split.TRAINING)
    return preview_batch(
        explored.dataset.images,
        settings.policy,
        recipe.batch_size,
        settings.seed,
        settings.epoch,
        recipe.size_at(settings.epoch),
        rows,
    )


def _show_draws(face: LabFace, settings: _Settings, preview: Preview) -> None:
    side = preview.after.shape[1]
    if face.pixels is None:
        before, after = st.columns(2)
        before.image(face_sheet(preview.before, 4), caption=f"Before: {PREVIEWED} faces of the batch", width="stretch")
        after.image(face_sheet(preview.after, 4), caption=f"After, at {side} pixels", width="stretch")
        st.caption(
            f"The first {len(preview.rows)} faces of epoch {settings.epoch + 1} of `{settings.command}`, pixel for pixel."
        )
    else:
        before, after = st.columns([1, 4])
        before.image(face_sheet(_before(face, preview)), caption="Before", width=CELL)
        after.image(
            face_sheet(preview.after), caption=f"{len(preview.after)} draws, {side} pixels wide", width="stretch"
        )
    if preview.mixing:
        st.caption(_mixing_in_words(preview.mixing))
    _show_label_warnings(face, settings.policy)
    show_report_figure(
        ReportFigure("lab-histogram", "Grey levels before and after", histogram_figure(preview.before, preview.after))
    )


def _mixing_in_words(mixing: MixingPlan) -> str:
    rest = "part of another is pasted over the rest (CutMix)" if mixing.cut else "the rest is another's (MixUp)"
    return (
        f"In this batch every face keeps {mixing.share:.0%} of itself, {rest}, and so do the labels. Some are mixed "
        "with another draw of the same face."
    )


def _before(face: LabFace, preview: Preview) -> np.ndarray:
    """The face in its own colours, or grey."""
    pixels = face.pixels
    return preview.before if pixels is None or pixels.ndim == 2 else pixels[None, ..., ::-1]


def _show_label_warnings(face: LabFace, policy: AugmentationPolicy) -> None:
    found = label_warnings(policy)
    if found:
        sentences = "\n".join(f"- **{title}**: {sentence}" for title, sentence in found.items())
        st.warning(f"Mind the labels:\n{sentences}", icon=":material/label_off:")
    if policy.augmentation.colour and (face.pixels is None or face.pixels.ndim == 2):
        st.info(
            "Colour changes nothing here: this face is grey, as those of the data set are.", icon=":material/palette:"
        )


def _show_recipe(settings: _Settings) -> None:
    toml = settings.policy.as_toml()
    st.markdown("**The recipe as a file**")
    st.code(toml, language="toml", height=220)
    st.download_button(
        f"Download {FILE}", toml, FILE, "application/toml", icon=":material/download:", on_click="ignore"
    )
    st.code(settings.command, language="bash", wrap_lines=True)


def _show_table(policy: AugmentationPolicy) -> None:
    rows = _table(policy)
    st.markdown("**What is applied**")
    st.table(rows.loc[rows["strength"] != OFF, ["transformation", "strength", "what it does"]], hide_index=True)
    with st.expander("Every transformation, and which authors' recipes have it"):
        st.dataframe(rows, hide_index=True, height="content")


def _table(policy: AugmentationPolicy) -> pd.DataFrame:
    """A row per transformation, in the order of the sliders, after those that happen to every face."""
    strengths = policy.strengths
    always = [(title, "always", does, "all") for title, does in ALWAYS.items()]
    drawn = [
        (t.title, t.in_words(strengths[t.name]), t.does, ", ".join(authors_using(t.name)) or "none")
        for t in TRANSFORMATIONS
    ]
    return pd.DataFrame(
        [*always, *drawn], columns=["transformation", "strength", "what it does", "authors' recipes with it"]
    )
