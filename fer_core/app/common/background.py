"""Work that takes longer than a page may stand still: on a thread of its own, with its progress and a button to end it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import streamlit as st

PATIENCE = 1.0
"""Seconds that a page waits for work that may be done at once, before it shows a bar."""


_EVERY = 0.5
"""Seconds between two looks at the progress."""


Result = TypeVar("Result")


Report = Callable[[str, float], None]
"""Takes what is being done and the share of it that is done, 0..1; raises :class:`Cancelled` once nobody wants it."""


class Cancelled(Exception):  # noqa: N818  # no error, and none of those that readers turn into a sentence
    """Raised within the work to end it."""


class _State:
    """What the thread and the page both see; each field is written whole."""

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
    """A piece of work on its way, which starts at once.

    It ends where it next reports after :meth:`cancel`, and likewise once nobody holds the job any more, as when the browser
    session that started it is over.

    Args:
        work: is given a :data:`Report` to call often; cleans up after itself when that raises.
    """

    def __init__(self, work: Callable[[Report], Result]) -> None:
        self._state = _State()
        self._end = weakref.finalize(self, self._state.stop.set)
        threading.Thread(target=_run, args=(work, self._state), daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return not self._state.ended.is_set()

    @property
    def stage(self) -> str:
        """What is being done."""
        return self._state.stage

    @property
    def share(self) -> float:
        """How much of it is done, in [0, 1]."""
        return self._state.share

    def cancel(self) -> None:
        """Ask the work to end."""
        self._end()

    def wait(self, seconds: float | None = None) -> None:
        """Until there is no more to come, or so long."""
        self._state.ended.wait(seconds)

    def result(self) -> Result:
        """What the work returned, once it is done; raises what it raised."""
        self.wait()
        if self._state.error is not None:
            raise self._state.error
        return self._state.result  # type: ignore[return-value]  # what the work returned


def _run(work: Callable[[Report], object], state: _State) -> None:
    """On the thread; holds no reference to the job."""
    try:
        state.result = work(state.report)
    except BaseException as error:  # raised again where the result is asked for
        state.error = error
    finally:
        state.ended.set()


def start(key: str, work: Callable[[Report], object]) -> None:
    """Start work for this browser session under a key; what ran there before is ended."""
    if (before := st.session_state.get(key)) is not None:
        before.cancel()
    job: Job[object] = Job(work)
    job.wait(PATIENCE)
    st.session_state[key] = job


def finished(key: str) -> Job | None:
    """The job of a key, once, if it is done; while it runs its progress and a button to end it are shown here.

    The page is drawn anew when it is done or ended.
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
