"""The errors a user can cause; each carries one plain sentence: what was wrong, what was expected, what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class FerError(Exception):
    """Base of every error whose message is meant for the person at the screen."""


class MissingPackageError(FerError):
    """A package of an extra is needed and not installed."""


class ImageError(FerError):
    """An image that cannot be read or is out of bounds."""


class DatasetError(FerError):
    """A data set file that does not hold what its format promises."""


class ModelError(FerError):
    """A stored model that is missing, incomplete or does not fit."""


class VideoError(FerError):
    """A video that cannot be opened or read."""


EXTRAS = {"tensorflow": "train", "keras": "train", "h5py": "train"}
"""Which extra of this package brings what."""


@contextmanager
def missing_packages_in_words() -> Iterator[None]:
    """Replace the import error of a package that an extra brings by a sentence that says what to install.

    Raises:
        MissingPackageError: such a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingPackageError(
            f"This needs {package}, which is not installed: pip install 'fer_core[{EXTRAS[package]}]' brings it."
        ) from error
