"""The errors a user can cause; each carries one plain sentence: what was wrong, what was expected, what to do."""


class FerError(Exception):
    """Base of every error whose message is meant for the person at the screen."""


class ImageError(FerError):
    """An image that cannot be read or is out of bounds."""


class DatasetError(FerError):
    """A data set file that does not hold what its format promises."""


class ModelError(FerError):
    """A stored model that is missing, incomplete or does not fit."""


class VideoError(FerError):
    """A video that cannot be opened or read."""
