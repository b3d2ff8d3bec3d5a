"""The loader's memory and threads: used over and over, given back, and never in anybody's way."""

from __future__ import annotations

import gc
import itertools
import threading

import pytest

torch = pytest.importorskip("torch")

import fdsl  # noqa: E402
from fdsl.data import loader as loader_module  # noqa: E402
from fdsl.data.buffers import Buffer, Recycled  # noqa: E402

SETTINGS = {"mean": [0.9] * 3, "std": [0.2] * 3, "mixup": 0.8, "cutmix": 1.0}


@pytest.fixture(scope="module")
def dataset():
    return fdsl.FormulaDataset(fdsl.RCDB(classes=5), instances=7, size=32, seed=3, threads=1)


def assert_same(batches, others):
    for (images, targets), (images_2, targets_2) in zip(batches, others, strict=True):
        assert torch.equal(images, images_2)
        assert torch.equal(targets, targets_2)


@pytest.fixture(autouse=True)
def _loops_of_other_tests():
    """Forget the threads of loops that are still open: an error that a test has caught can hold on to one."""
    gc.collect()
    EARLIER[:] = drawing_threads()


EARLIER = []


def drawing_threads():
    found = [thread for thread in threading.enumerate() if thread.name.startswith("fdsl-loader")]
    return [thread for thread in found if thread not in EARLIER]


def test_memory_is_used_over_and_never_under_the_consumer(dataset):
    kept, addresses = [], set()
    for step, (images, _) in enumerate(fdsl.Loader(dataset, 4, samples=1200, **SETTINGS)):
        addresses.add(images.data_ptr())
        if step % 100 == 0:
            kept.append((images, images.clone()))
        del images
    assert len(addresses) <= 8 + len(kept), "of 300 batches"
    for images, as_they_were in kept:
        assert torch.equal(images, as_they_were)


def test_buffers_are_used_over(dataset, monkeypatch):
    made = []

    class Counted(Buffer):
        def __init__(self, *arguments):
            made.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(loader_module, "Buffer", Counted)
    assert len(list(fdsl.Loader(dataset, 4, samples=80, ahead=3))) == 20
    assert len(made) == 1


def test_recycled_memory_waits_for_the_last_view():
    memory = Recycled((2, 3))
    first = memory.tensor()
    row, address = first[1], first.data_ptr()
    del first
    assert memory.tensor().data_ptr() != address
    array = row.numpy()
    del row
    second, third = memory.tensor(), memory.tensor()
    assert address not in (second.data_ptr(), third.data_ptr())
    del array
    assert memory.tensor().data_ptr() == address


def test_a_buffer_is_not_drawn_over_before_its_copy_is_done(dataset, monkeypatch):
    events = []

    class Fence:
        def __init__(self):
            self.number = len(fences)

        def set(self):
            events.append(("sent", self.number))

        def wait(self):
            events.append(("reopened", self.number))

    fences = []

    def fenced(shape, device):
        fences.append(Fence())
        return Buffer(shape, torch.device("cpu"), fences[-1])

    # a device whose batches are finished by the consumer, as those of a GPU are
    monkeypatch.setattr(loader_module, "Buffer", fenced)
    loader = fdsl.Loader(dataset, 4, samples=28, ahead=3, **SETTINGS)
    expected = list(fdsl.Loader(dataset, 4, samples=28, **SETTINGS))
    assert loader.standardize.device.type == "cpu", "made before the device is changed"
    monkeypatch.setattr(loader, "device", torch.device("meta"))
    fences.clear()
    events.clear()
    assert_same(expected, loader)
    assert len(fences) == 3
    for number in range(3):
        own = [what for what, whose in events if whose == number]
        assert own == ["reopened", "sent"] * (3 if number == 0 else 2)


@pytest.mark.parametrize("leave", ["break", "error", "interrupt", "end"])
def test_threads_end_with_the_loop(dataset, leave):
    loader = fdsl.Loader(dataset, 4, samples=None if leave != "end" else 20)
    raised = {"error": ZeroDivisionError, "interrupt": KeyboardInterrupt}.get(leave)

    def loop():
        for _ in loader:
            if leave == "break":
                break
            if raised is not None:
                raise raised

    if raised is None:
        loop()
    else:
        with pytest.raises(raised):
            loop()
    assert not drawing_threads()


def test_the_callers_torch_threads_are_left_alone(dataset):
    before = torch.get_num_threads()
    seen = []
    torch.set_num_threads(3)
    try:
        for _ in fdsl.Loader(dataset, 4, samples=8, **SETTINGS):
            later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            later.start()
            later.join()
            seen.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)
    assert seen == [3] * 4


def test_an_error_while_drawing_reaches_the_loop_once_as_itself(dataset, monkeypatch):
    loader = fdsl.Loader(dataset, 4, **SETTINGS)
    original, error = fdsl.FormulaDataset.draw, ZeroDivisionError("the third batch")
    drawn = itertools.count(1)

    def failing(self, *arguments, **named):
        if next(drawn) == 3:
            raise error
        return original(self, *arguments, **named)

    monkeypatch.setattr(fdsl.FormulaDataset, "draw", failing)
    iteration = iter(loader)
    next(iteration)
    next(iteration)
    with pytest.raises(ZeroDivisionError) as caught:
        next(iteration)
    assert caught.value is error
    assert list(iteration) == []
    assert not drawing_threads()
    assert loader.state_dict()["next_sample"] == 8
    assert_same([loader.batch(8)], itertools.islice(loader, 1))
