"""How far a stream's connection has got, in words for the page."""

from __future__ import annotations

from enum import StrEnum

SLOW_CONNECTION_SECONDS = 10.0
"""Connections within a network take one or two; a camera prompt is answered by then."""


class Connection(StrEnum):
    """How far a video connection has come."""

    IDLE = "idle"
    CONNECTING = "connecting"
    SLOW = "slow"
    """Still connecting after :data:`SLOW_CONNECTION_SECONDS`."""
    FAILED = "failed"
    """Given up on after that long."""
    PLAYING = "playing"


class ConnectionWatch:
    """Tells from the little that a video component reports how its connection is doing."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failed = False

    def update(self, playing: bool, signalling: bool, now: float) -> Connection:
        """Take note of the component's state at ``now`` (seconds, any steady clock) and say what it means."""
        if playing or signalling:
            self._failed = False
        if playing:
            self._since = None
            return Connection.PLAYING
        if signalling:
            self._since = now if self._since is None else self._since
            return Connection.SLOW if now - self._since > SLOW_CONNECTION_SECONDS else Connection.CONNECTING
        if self._since is not None:
            # Whoever presses Stop does so before; a browser gives up after.
            self._failed = now - self._since > SLOW_CONNECTION_SECONDS
            self._since = None
        return Connection.FAILED if self._failed else Connection.IDLE
