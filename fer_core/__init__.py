"""Facial expression recognition: data sets, trained networks, and one pipeline from a frame to its analysis."""

from typing import TYPE_CHECKING, Any

from fer_core.storage import ARTIFACTS

if TYPE_CHECKING:
    from fer_core.api import analyse_image as analyse_image
    from fer_core.api import analyse_video as analyse_video
    from fer_core.api import load_model as load_model

__version__ = "0.1.0"
__all__ = ["ARTIFACTS", "analyse_image", "analyse_video", "load_model"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the package itself imports in a moment.
    if name in ("analyse_image", "analyse_video", "load_model"):
        from fer_core import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
