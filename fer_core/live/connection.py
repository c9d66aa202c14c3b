"""The state of a stream's connection."""

from __future__ import annotations

from enum import StrEnum

SLOW_CONNECTION_SECONDS = 10.0
"""Connections within a network take one or two; a camera prompt is answered by then."""


class Connection(StrEnum):
    """The state of a video connection."""

    IDLE = "idle"
    CONNECTING = "connecting"
    SLOW = "slow"
    """Still connecting after :data:`SLOW_CONNECTION_SECONDS`."""
    FAILED = "failed"
    """Ended without playing after that time."""
    PLAYING = "playing"


class ConnectionWatch:
    """Derives the state of a connection from the two flags that a video component reports."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failed = False

    def update(self, playing: bool, signalling: bool, now: float) -> Connection:
        """The state after the component's report at ``now`` (seconds, any steady clock)."""
        if playing or signalling:
            self._failed = False
        if playing:
            self._since = None
            return Connection.PLAYING
        if signalling:
            self._since = now if self._since is None else self._since
            return Connection.SLOW if now - self._since > SLOW_CONNECTION_SECONDS else Connection.CONNECTING
        if self._since is not None:
            # Before this time it was the Stop button, after it the browser that gave up.
            self._failed = now - self._since > SLOW_CONNECTION_SECONDS
            self._since = None
        return Connection.FAILED if self._failed else Connection.IDLE
