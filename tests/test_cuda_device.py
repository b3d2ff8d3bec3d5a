"""Memory and launches of one GPU, as far as the simulator has them; and how kernels are compiled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import fdsl
from fdsl.render.cuda import device as device_module
from fdsl.render.cuda.compiled import SIMULATED, check_exact
from fdsl.render.cuda.device import ALIGNMENT, BATCHES, Device, SimulatedDevice, device_of

simulated = pytest.mark.skipif(not SIMULATED, reason="looks into the simulator's memory")


class Columns(NamedTuple):
    words: np.ndarray
    name: str
    places: np.ndarray
    count: int


def columns(rows: int, seed: int = 0) -> Columns:
    random = np.random.default_rng(seed)
    return Columns(random.integers(0, 2**32, (rows, 4), np.uint32), "rows", random.random((rows, 2, 3)), rows)


def sent(device: Device, *all_columns: Columns) -> list[Columns]:
    with device.batch(0):
        return [device.upload(one) for one in all_columns]


def assert_there(there: Columns, here: Columns) -> None:
    np.testing.assert_array_equal(there.words.copy_to_host(), here.words)
    np.testing.assert_array_equal(there.places.copy_to_host(), here.places)
    assert (there.name, there.count) == (here.name, here.count)


@simulated
def test_columns_arrive_whatever_was_sent_before():
    device = Device()
    for rows in (3, 1, 700, 5, 700, 701):
        here = [columns(rows, seed) for seed in range(3)]
        for there, one in zip(sent(device, *here), here, strict=True):
            assert_there(there, one)


@simulated
def test_batches_on_the_way_do_not_share_memory():
    device, here = Device(), [columns(9, seed) for seed in range(BATCHES)]
    there = [sent(device, one)[0] for one in here]
    for pair in zip(there, here, strict=True):
        assert_there(*pair)


@simulated
def test_views_of_like_batches_are_made_once(monkeypatch):
    device = Device()
    first = [sent(device, columns(9))[0] for _ in range(BATCHES)]
    again = [sent(device, columns(9, 5))[0] for _ in range(BATCHES)]
    assert all(one.words is other.words for one, other in zip(first, again, strict=True))
    assert_there(again[-1], columns(9, 5))


@simulated
def test_scratch_is_kept_and_grows():
    device = Device()
    marks = device.scratch("marks", (3, 5), np.uint32)
    assert marks.shape == (3, 5)
    assert marks.dtype == np.uint32
    assert device.scratch("marks", (2, 2), np.uint64).shape == (2, 2)
    assert np.shares_memory(device.scratch("marks", (1,), np.uint8)._ary, marks._ary)
    assert device.scratch("marks", (300, 5), np.uint32).shape == (300, 5)


def test_columns_lie_where_any_type_may():
    assert ALIGNMENT % 16 == 0


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(device_module, "SIMULATED", False)
    monkeypatch.setattr(device_module.cuda, "is_available", lambda: False)
    with pytest.raises(
        fdsl.InputError,
        match="device must be the number of a GPU, got 0: numba-cuda finds none that it can use",
    ):
        fdsl.CudaRenderer(32)


def test_arguments_are_those_of_the_cpus_renderer():
    with pytest.raises(fdsl.InputError, match="size must be"):
        fdsl.CudaRenderer(31)
    renderer, table = fdsl.CudaRenderer(32), fdsl.RCDB(classes=3).table(0, [1], [2])
    with pytest.raises(fdsl.InputError, match=r"view must have shape \(1, 2, 3\)"):
        renderer(table, view=np.zeros((5, 2, 3)))
    with pytest.raises(fdsl.InputError, match="table must be one of RadialStrokes"):
        renderer("a table")
    with pytest.raises(
        fdsl.InputError, match=r"out must be C-contiguous uint8 \(1, 32, 32\), got uint8 \(1, 33, 32\)"
    ):
        renderer(table, out=np.empty((1, 33, 32), np.uint8))
    unwritable = np.empty((1, 32, 32), np.uint8)
    unwritable.flags.writeable = False
    for out in (np.empty((1, 32, 64), np.uint8)[:, :, ::2], unwritable, [[1]], "x", 5):
        with pytest.raises(fdsl.InputError, match="out must be"):
            renderer(table, out=out)
    with pytest.raises(fdsl.InputError, match="stream must be"):
        renderer(table, stream="x")
    with pytest.raises(
        fdsl.InputError, match="device must be the number of a GPU, got 3: numba-cuda finds 1"
    ):
        fdsl.CudaRenderer(32, device=3)


def test_no_rows_are_no_images():
    renderer, table = fdsl.CudaRenderer(32), fdsl.RCDB(classes=3).table(0, [], [])
    assert renderer(table).shape == (0, 32, 32)


@pytest.mark.skipif(not SIMULATED, reason="of the simulator")
def test_the_simulator_stands_in_for_a_gpu():
    assert isinstance(device_of(0), SimulatedDevice)


@pytest.mark.parametrize(
    ("instruction", "exact"),
    [
        ("fma.rn.f32 \t%f1, %f2, %f3, %f4;", False),
        ("mul.f32 \t%f1, %f2, %f3;", False),
        ("add.f64 \t%fd1, %fd2, %fd3;", False),
        ("mul.rn.ftz.f32 \t%f1, %f2, %f3;", False),
        ("div.full.f32 \t%f1, %f2, %f3;", False),
        ("sqrt.approx.f32 \t%f1, %f2;", False),
        ("mul.rn.f32 \t%f1, %f2, %f3;", True),
        ("sub.rn.f64 \t%fd1, %fd2, %fd3;", True),
        ("div.rn.f32 \t%f1, %f2, %f3;", True),
        ("mad.lo.s32 \t%r1, %r2, %r3, %r4;", True),
    ],
)
def test_assembly_that_rounds_otherwise_is_refused(instruction, exact):
    library = SimpleNamespace(_lto=False, get_asm_str=lambda: instruction)
    if exact:
        check_exact("kernel", library)
    else:
        with pytest.raises(fdsl.FdslError, match="compiled kernel with"):
            check_exact("kernel", library)


def test_machine_code_made_anew_when_it_is_linked_is_refused():
    with pytest.raises(fdsl.FdslError, match="link time"):
        check_exact("kernel", SimpleNamespace(_lto=True, get_asm_str=lambda: "ret;"))


def test_a_tensor_on_another_gpu_is_an_error():
    elsewhere = SimpleNamespace(device=SimpleNamespace(type="cuda", index=1))
    with pytest.raises(fdsl.InputError, match="out must be on GPU 0, where this renderer draws, got 1"):
        fdsl.CudaRenderer(32)(fdsl.RCDB(classes=3).table(0, [1], [2]), out=elsewhere)


def test_memory_of_the_host_is_no_place_for_a_gpu_to_draw():
    with pytest.raises(
        fdsl.InputError, match="out must lie in a GPU's memory, as torch's tensors there, got ndarray"
    ):
        Device().array(np.empty(3, np.uint8))
