"""Times, ratios and cores of the benchmarks, on a clock that the tests set."""

from __future__ import annotations

import os
import threading
import time

import pytest

from fdsl.bench import one_core as pinning
from fdsl.bench.one_core import one_core
from fdsl.bench.timing import Rate, measure, ratio, repeated
from fdsl.cores import usable_cores
from fdsl.errors import InputError


class Clock:
    """Stands where a test puts it, for wall and CPU alike."""

    now = 0.0

    def __init__(self, monkeypatch):
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_measure_counts_what_the_clock_says(clock):
    # Call n takes n seconds for 12 images. Call 0 is the round that does not count; a turn of 4 s and more is calls
    # 1, 2, 3, then 4, then 5, then 6.
    calls = []

    def work(n):
        clock.now += n + (n == 0)
        calls.append(n)
        return 12

    [rate] = measure([repeated(work)], 4, seconds=4.0)
    assert calls == [0, 1, 2, 3, 4, 5, 6]
    assert rate.each == (6.0, 3.0, 12 / 5, 2.0)
    assert (rate.low, rate.high, rate.images) == (2.0, 6.0, 72)
    assert rate.median == (3.0 + 12 / 5) / 2
    assert rate.microseconds == pytest.approx(1e6 / 2.7)


def test_sources_take_turns_and_neither_opening_nor_closing_is_timed(clock):
    log = []

    def source(name, seconds):
        def opened():
            clock.now += 100
            log.append(f"{name} open")
            try:
                yield 0
                while True:
                    clock.now += seconds
                    log.append(name)
                    yield 3
            finally:
                clock.now += 1000
                log.append(f"{name} closed")

        return opened

    fast, slow = measure([source("a", 1), source("b", 3)], 2, seconds=2.0)
    warm = ["a open", "a", "a closed", "b open", "b", "b closed"]
    turn = ["a open", "a", "a", "a closed", "b open", "b", "b closed"]
    assert log == warm + turn + turn
    assert (fast.each, fast.images) == ((3.0, 3.0), 12)
    assert (slow.each, slow.images) == ((1.0, 1.0), 6)
    assert ratio(fast, slow) == 3.0


def test_the_ratio_of_a_slowing_machine_is_that_of_its_turns(clock):
    """Every turn takes twice as long as the one before it of its own kind; the ratio does not see it."""
    pace = {"ours": 1.0, "theirs": 10.0}

    def work(name):
        def run(_n):
            clock.now += pace[name]
            pace[name] *= 2
            return 1

        return repeated(run)

    ours, theirs = measure([work("ours"), work("theirs")], 5, seconds=0.0)
    assert ours.high / ours.low == 16
    assert ratio(ours, theirs) == pytest.approx(10)


def test_cpu_time_is_the_clock_if_asked_for(clock, monkeypatch):
    worked = 0.0

    def work(_n):
        nonlocal worked
        worked += 0.5
        clock.now += 50
        return 1

    monkeypatch.setattr(time, "process_time", lambda: worked)
    [rate] = measure([repeated(work)], 3, seconds=1.0, cpu_time=True)
    assert (rate.each, rate.images) == ((2.0, 2.0, 2.0), 6)


def test_a_rate_as_json_holds_every_repetition():
    content = Rate((4.0, 1.0, 2.0), 70).to_json()
    assert content["repetitions"] == [4.0, 1.0, 2.0]
    assert (content["low"], content["images_per_second"], content["high"]) == (1.0, 2.0, 4.0)
    assert content["microseconds_per_image"] == 500_000


def test_a_failing_source_is_closed():
    closed = []

    def source():
        try:
            yield 0
            raise RuntimeError("no more")
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="no more"):
        measure([source], 1, 0.0)
    assert closed == [True]


def test_one_core_is_one_for_threads_that_are_there_and_that_come():
    before = os.sched_getaffinity(0)
    come, go = threading.Event(), threading.Event()
    seen = []

    def wait():
        come.set()
        go.wait()
        seen.append(os.sched_getaffinity(0))

    old = threading.Thread(target=wait)
    old.start()
    come.wait()
    with one_core() as core:
        assert usable_cores() == 1
        assert os.sched_getaffinity(0) == os.sched_getaffinity(old.native_id) == {core}
        new = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        new.start()
        new.join()
    go.set()
    old.join()
    assert seen == [{core}, before]
    assert os.sched_getaffinity(0) == before


def test_each_thread_gets_its_own_cores_back(monkeypatch):
    """A machine of four cores that threads 10 and 11 divide; 12 comes and takes after 10, 11 ends."""
    cores = {10: {0, 1, 2}, 11: {3}}
    monkeypatch.setattr(pinning, "_threads", lambda: list(cores))
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: cores[thread or 10])

    def keep(thread, mask):
        if thread not in cores:
            raise ProcessLookupError
        cores[thread] = mask

    monkeypatch.setattr(os, "sched_setaffinity", keep)
    with one_core() as core:
        assert core == 2
        assert cores == {10: {2}, 11: {2}}
        cores[12] = {2}
        del cores[11]
    assert cores == {10: {0, 1, 2}, 12: {0, 1, 2}}


def test_one_core_comes_back_after_an_error():
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError), one_core():
        raise KeyError
    assert os.sched_getaffinity(0) == before


def test_a_system_without_affinity_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(pinning, "THREADS", tmp_path / "nosuch")
    with pytest.raises(InputError, match="on Linux"), one_core():
        pass
