"""The tab that shows where networks look: heat over the face, the parts of the face, a sanity check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.selection import choose_label_set
from fer_core.app.common.widgets import download, pick, switch
from fer_core.app.feature_maps.images import OVERLAY_SIDE
from fer_core.app.feature_maps.mean_attribution import mean_section
from fer_core.app.feature_maps.networks import OpenNetwork
from fer_core.augmentation.masks.bank import MaskBank
from fer_core.augmentation.masks.textures import MaskKind
from fer_core.explain.attention import attribution_shares
from fer_core.explain.methods import Method
from fer_core.explain.overlay import overlay, signed_overlay
from fer_core.explain.sanity import similarity
from fer_core.labels import LABEL_SETS, LabelSet
from fer_core.plots.feature_maps import AttributionShares, attribution_figure, png
from fer_core.plots.report import ReportFigure

MASK_SEED = 0
"""Of the place of a drawn mask."""
DIFFERENT_BELOW, SIMILAR_FROM = 0.3, 0.7
"""Rank correlations of two maps."""

_LEAD = (
    "Colour marks the places on which an answer depends according to the chosen method (its *attribution*). That does not "
    "prove that the network reasons as a person would, nor that the answer is right; methods often disagree."
)
_READINGS = {
    Method.GRAD_CAM: "Yellow places of the last maps raise the score of the class most. The map is coarse, since one cell "
    "covers many pixels.",
    Method.GRAD_CAM_PLUS_PLUS: "As Grad-CAM, but several small regions count beside a large one.",
    Method.OCCLUSION: "A grey patch is moved over the face. Vermilion: covering the place lowers the probability of the "
    "class; blue: covering it raises the probability.",
    Method.INTEGRATED_GRADIENTS: "What each pixel adds to the class (vermilion) or takes from it (blue) on the way from "
    "a black picture to this face, in 64 steps. Black pixels get nothing by construction.",
}

_WORN = {
    MaskKind.NONE: "nothing on",
    MaskKind.SURGICAL: "a surgical mask",
    MaskKind.CLOTH: "a cloth mask",
    MaskKind.N95: "an N95 mask",
    MaskKind.PATTERNED: "a patterned mask",
    MaskKind.SCARF: "a scarf",
    MaskKind.SUNGLASSES: "sunglasses",
}


@dataclass(frozen=True)
class _Question:
    """The class, method and colour of a map."""

    head: LabelSet
    class_index: int
    method: Method
    strength: float
    """Opacity of the colour, 0..1."""
    check: bool
    """Whether random weights are shown too."""

    @property
    def emotion(self) -> str:
        """Name of the class."""
        return str(self.head.emotions[self.class_index])


def attribution_tab(networks: Sequence[OpenNetwork]) -> None:
    """Where the chosen networks look for one class, on this face and over many faces."""
    st.markdown(_LEAD)
    head = _choose_head(networks)
    if head is None:
        return
    method = Method(switch("Method", list(Method), "attention-method", default=Method.GRAD_CAM, persist_state="page"))
    st.caption(_READINGS[method])
    class_place, covering_place, strength_place, check_place = st.columns(4, gap="medium", vertical_alignment="bottom")
    class_index = _choose_class(networks, head, class_place)
    covering = _choose_covering(covering_place)
    strength = strength_place.slider(
        "Colour over the face, %", 0, 100, 50, step=5, key="attention-strength", persist_state="page"
    )
    check = check_place.toggle(
        "Sanity check",
        value=True,
        help="The same map of the same network with random weights (Adebayo et al. 2018). A map that hardly changes then "
        "shows the method or the picture, not what the network learnt.",
        key="attention-check",
        persist_state="page",
    )
    question = _Question(head, class_index, method, strength / 100, check)
    covered = [_covered(network, covering) for network in networks] if covering != MaskKind.NONE else []
    for number, (column, network) in enumerate(zip(st.columns(len(networks), gap="medium"), networks, strict=True)):
        with column:
            st.markdown(f"##### {network.title}")
            _show_network(network, question)
            if covered:
                _show_network(covered[number], question, f"with {_WORN[covering]}")
    _show_shares(networks, covered, question, covering)
    mean_section(networks, head, class_index, strength / 100)


def _choose_head(networks: Sequence[OpenNetwork]) -> LabelSet | None:
    """The classes in which all chosen networks answer; says so and gives ``None`` if there are none."""
    heads = [network.stored.card.heads for network in networks]
    shared = [head for head in heads[0] if all(head in own for own in heads)]
    if not shared:
        names = " and ".join(network.title for network in networks)
        st.info(f"{names} have no head of the same classes; choose networks that have one, or one at a time.")
        return None
    if len(shared) == 1:
        return LABEL_SETS[shared[0]]
    return choose_label_set("Classes", shared, f"attention-head-{'-'.join(shared)}", persist_state="page")


def _choose_class(networks: Sequence[OpenNetwork], head: LabelSet, place: DeltaGenerator) -> int:
    """A class of the head, by default the first network's answer."""
    first = networks[0]
    answer = int(first.probabilities(head.name).argmax())
    return pick(
        "Looks for",
        {number: str(emotion) for number, emotion in enumerate(head.emotions)},
        f"attention-class-{head.name}-{answer}",
        default=answer,
        help="At first the answer of the first network; any class can be chosen, also one that it does not see here.",
        place=place,
        persist_state="page",
    )


def _choose_covering(place: DeltaGenerator) -> MaskKind:
    kind = pick(
        "Beside the unmasked face",
        {kind: "nothing" if kind == MaskKind.NONE else f"with {_WORN[kind]}" for kind in MaskKind},
        "attention-covering",
        help="The same face with a drawn mask, to see where the network looks when the mouth is hidden.",
        place=place,
        persist_state="page",
    )
    return MaskKind(str(kind))


def _covered(network: OpenNetwork, kind: MaskKind) -> OpenNetwork:
    """The same network with the same face, masked where FER2013's faces have nose and mouth."""
    bank = MaskBank(len(network.face), (kind,), layers=1, under_nose=0)
    worn = bank.apply(network.face[None], np.random.default_rng(MASK_SEED))
    return replace(network, face=worn.images[0])


def overlay_picture(face: np.ndarray, values: np.ndarray, method: Method, strength: float) -> np.ndarray:
    """A map over a face in the colours of its method: ``(OVERLAY_SIDE, OVERLAY_SIDE, 3) uint8`` RGB."""
    return (signed_overlay if method.is_signed else overlay)(face, values, strength, OVERLAY_SIDE)


def _show_network(network: OpenNetwork, question: _Question, covering: str = "") -> None:
    """A network's map over its face, with the map of random weights beside it if the question has the check."""
    emotion = question.emotion
    shares = network.probabilities(question.head.name)
    top = int(shares.argmax())
    about = "" if top == question.class_index else f"; {emotion} {shares[question.class_index]:.0%}"
    said = f"W{covering[1:]} it answers" if covering else "Answers"
    st.markdown(f"{said} **{question.head.emotions[top]}** {shares[top]:.0%}{about}.")
    with st.spinner(f"{question.method} of {network.title}…"):
        trained = network.attribution(question.method, question.head.name, question.class_index)
        random = None
        if question.check:
            random = network.attribution(question.method, question.head.name, question.class_index, randomised=True)
    maps = {f"{question.method} for {emotion}": trained}
    if random is not None:
        maps["the same with random weights"] = random
    for place, (caption, values) in zip(st.columns(2), maps.items(), strict=False):
        place.image(
            overlay_picture(network.face, values, question.method, question.strength), caption=caption, width="stretch"
        )
    if not np.abs(trained).max():
        st.caption(f"Nothing in these maps speaks for {emotion}, so the face has no colour.")
    elif random is not None:
        st.markdown(sanity_in_words(trained, random))
    download(
        "PNG",
        partial(_file, network.face, trained, question),
        f"{network.name}-{question.method.name.lower()}-{emotion}{'-covered' if covering else ''}.png",
        f"attention-png-{network.name}-{covering}",
    )


def _file(face: np.ndarray, values: np.ndarray, question: _Question) -> bytes:
    return png(overlay_picture(face, values, question.method, question.strength))


def sanity_in_words(trained: np.ndarray, random: np.ndarray) -> str:
    """How similar the maps ``(S, S)`` of the trained network and of random weights are, and what follows from it.

    The larger rank correlation counts: that of the values or that of their absolute values (Adebayo et al. 2018, sec. 4).
    """
    if not np.abs(random).max():
        return ":material/check: Random weights give no map at all, so this one comes from what was learnt."
    alike = max(similarity(trained, random), similarity(np.abs(trained), np.abs(random)))
    said = f"rank correlation {alike:.2f} with the map of random weights"
    if alike >= SIMILAR_FROM:
        return f":material/warning: **Hardly depends on what was learnt** ({said}): do not read this map as a reason."
    if alike >= DIFFERENT_BELOW:
        return f":material/info: **Depends in part on what was learnt** ({said}): read this map with care."
    return f":material/check: **Depends on what was learnt** ({said})."


def _show_shares(
    networks: Sequence[OpenNetwork], covered: Sequence[OpenNetwork], question: _Question, covering: MaskKind
) -> None:
    """The share of each map on each part of the face, unmasked faces before masked ones."""
    st.subheader("Eyes, mouth, rest")

    def bar(network: OpenNetwork, suffix: str) -> AttributionShares:
        values = network.attribution(question.method, question.head.name, question.class_index)
        return AttributionShares(network.title + suffix, network.style.colour, _shares(values), bool(suffix))

    bars = [bar(network, "") for network in networks]
    bars += [bar(network, f", with {_WORN[covering]}") for network in covered]
    show_report_figure(
        ReportFigure(
            "attention-shares",
            "Share of the map on parts of the face",
            attribution_figure(bars, _shares(np.ones(networks[0].face.shape))),
            "Parts are fixed boxes measured on FER2013's faces, so this holds for upright faces that are cut out in the "
            "same way. The grey bars are those of a uniform map; only the difference from them means something.",
        )
    )


def _shares(values: np.ndarray) -> dict[str, float]:
    return {str(part): share for part, share in attribution_shares(values).items()}
