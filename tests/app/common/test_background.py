"""Work beside a page: it reports, gives its result or its error, and ends when nobody wants it any more."""

import gc
import threading

import pytest

from fer_core.app.common.background import Cancelled, Job, Report
from fer_core.errors import DatasetError

SECONDS = 10


def test_a_job_reports_and_gives_its_result():
    go_on = threading.Event()

    def work(report: Report) -> int:
        report("Counting", 0.25)
        go_on.wait(SECONDS)
        report("Counting", 7)
        return 42

    job = Job(work)
    while job.stage == "Starting":
        job.wait(0.01)
    assert (job.running, job.stage, job.share) == (True, "Counting", 0.25)
    go_on.set()
    assert job.result() == 42
    assert (job.running, job.share) == (False, 1)


def test_what_the_work_raises_is_raised_where_the_result_is_asked_for():
    def work(report: Report) -> None:
        raise DatasetError("no such thing")

    with pytest.raises(DatasetError, match="no such thing"):
        Job(work).result()


class Endless:
    """Works until it is told to stop, and notes that it cleaned up."""

    def __init__(self) -> None:
        self.started, self.cleaned = threading.Event(), threading.Event()

    def __call__(self, report: Report) -> None:
        try:
            while True:
                report("Going on", 0.5)
                self.started.set()
        finally:
            self.cleaned.set()


def test_a_cancelled_job_ends_at_its_next_word_and_cleans_up():
    work = Endless()
    job = Job(work)
    assert work.started.wait(SECONDS)
    job.cancel()
    assert work.cleaned.wait(SECONDS)
    with pytest.raises(Cancelled):
        job.result()


def test_a_job_that_nobody_holds_any_more_ends():
    work = Endless()
    job = Job(work)
    assert work.started.wait(SECONDS)
    del job
    gc.collect()
    assert work.cleaned.wait(SECONDS)
