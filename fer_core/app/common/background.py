"""Long work on a thread of its own, with its progress and a button that ends it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import streamlit as st

PATIENCE = 1.0
"""Seconds that a page waits for the work before it shows a progress bar."""

_EVERY = 0.5
"""Seconds between two updates of the progress."""
Result = TypeVar("Result")
Report = Callable[[str, float], None]
"""Takes the present stage and the share of it that is done, 0..1; raises :class:`Cancelled` once the job was ended."""


class Cancelled(Exception):  # noqa: N818  # no error, and no exception that readers turn into a sentence
    """Raised within the work to end it."""


class _State:
    """What the thread and the page share; each field is written in one step."""

    def __init__(self) -> None:
        self.stage = "Starting"
        self.share = 0.0
        self.result: object = None
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self.ended = threading.Event()

    def report(self, stage: str, share: float) -> None:
        if self.stop.is_set():
            raise Cancelled
        self.stage, self.share = stage, min(max(share, 0.0), 1.0)


class Job(Generic[Result]):
    """A piece of work, started at once.

    It ends at its next report after :meth:`cancel`, or after the last reference to the job is gone, for example because the
    browser session that started it is over.

    Args:
        work: gets a :data:`Report` to call often; has to clean up after itself when that raises.
    """

    def __init__(self, work: Callable[[Report], Result]) -> None:
        self._state = _State()
        self._end = weakref.finalize(self, self._state.stop.set)
        threading.Thread(target=_run, args=(work, self._state), daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether the work has not ended yet."""
        return not self._state.ended.is_set()

    @property
    def stage(self) -> str:
        """What is being done at present."""
        return self._state.stage

    @property
    def share(self) -> float:
        """How much of it is done, in [0, 1]."""
        return self._state.share

    def cancel(self) -> None:
        """Ask the work to end."""
        self._end()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended, or for so long."""
        self._state.ended.wait(seconds)

    def result(self) -> Result:
        """Wait for the work; return what it returned or raise what it raised."""
        self.wait()
        if self._state.error is not None:
            raise self._state.error
        return self._state.result  # type: ignore[return-value]  # what the work returned


def _run(work: Callable[[Report], object], state: _State) -> None:
    """Do the work, on the thread; holds no reference to the job."""
    try:
        state.result = work(state.report)
    except BaseException as error:  # raised again where the result is asked for
        state.error = error
    finally:
        state.ended.set()


def start(key: str, work: Callable[[Report], object]) -> None:
    """Start work for this browser session under a key; ends the work that ran under it before."""
    if (before := st.session_state.get(key)) is not None:
        before.cancel()
    job: Job[object] = Job(work)
    job.wait(PATIENCE)
    st.session_state[key] = job


def finished(key: str) -> Job | None:
    """The job of a key, once, if it is done; while it runs, this shows its progress and a button that ends it.

    The page runs again when the job is done or ended.
    """
    job: Job | None = st.session_state.get(key)
    if job is None:
        return None
    if job.running:
        _watch(key)
        return None
    del st.session_state[key]
    return job


@st.fragment(run_every=_EVERY)
def _watch(key: str) -> None:
    job: Job | None = st.session_state.get(key)
    if job is None or not job.running:
        st.rerun()
    st.progress(job.share, f"{job.stage}: {job.share:.0%}")
    if st.button("Cancel", key=f"{key}-cancel", icon=":material/cancel:"):
        job.cancel()
        del st.session_state[key]
        st.rerun()
