"""Stored networks opened with all their layers, to be looked into."""

from __future__ import annotations

import keras

from fer_core.errors import ModelError
from fer_core.model_store import StoredModel


def open_network(model: StoredModel) -> keras.Model:
    """The Keras network of a stored model.

    Raises:
        ModelError: the Keras file is not here, or is none of this project.
    """
    path = model.keras_path
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{model.name}: model.keras cannot be opened ({error}); train or fetch the model anew."
        ) from None
