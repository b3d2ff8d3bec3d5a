"""Batches for training: drawn ahead by a thread while the model works, standardized, on the device."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fdsl.data.augment import Augmentation
from fdsl.data.buffers import Buffer, Recycled
from fdsl.data.dataset import UNLIMITED, FormulaDataset
from fdsl.data.mixing import Mixing
from fdsl.data.on_device import Fence, OnDevice, choose_renderer, tried_device
from fdsl.data.order import permuted
from fdsl.data.sample_draws import EPOCHS, REPEATS
from fdsl.data.standardize import Standardize
from fdsl.errors import InputError, check_int
from fdsl.formulas.base import MAX_INSTANCE
from fdsl.random import check_seed
from fdsl.render.retouch import Retouch

Batch = tuple[Tensor, Any]
"""Images and their targets: a tensor, or a dict of tensors by label."""

Drawn = tuple[ArrayLike | None, ArrayLike | None, Retouch | None]
"""View, tone and retouch of a batch's images."""

CROPS = Augmentation(crop_scale=(0.35, 1.0))
"""The augmentation of a loader that is told none: random crops down to a third of the canvas."""
MEASURED = 1024
"""Images, spread over a dataset, whose mean and deviation stand for all of it."""
MEASURED_AT_ONCE = 64
MOST_SAMPLES = 1 << 62


class Loader:
    """Iterates over shuffled, augmented, standardized batches of a `FormulaDataset`.

    A training is a row of samples n = 0, 1, 2 ... without end. Sample n shows image n // repeats of the row of epochs,
    each of which passes over the whole dataset in an order of its own, and is a pure function of (dataset, settings,
    n): not of threads, device or how often the training was interrupted. Mixup and CutMix then mix it with another
    sample of its batch. The state of a training is the number of samples consumed.

    An iteration goes on from there to `samples`, or, without that, to the end of the epoch: `for epoch in range(9): for
    images, targets in loader` sees nine epochs. Batches are full; samples too few for one wait for the next epoch.

    A thread draws ahead. On a GPU it asks for drawing, retouching and standardizing there, on a stream beside the
    training's; pixels are the same on every device, and the first ones are compared. Otherwise batches are drawn on the
    CPU into memory that is used over and over; how many more threads draw, the dataset says. For a GPU that is pinned
    memory, sent as uint8 without waiting, and made floats there.

    In repeated augmentation (Hoffer et al., CVPR 2020) the `repeats` views of an image follow one another, mostly in
    one batch of one rank, and an epoch has `repeats` samples an image. timm's RepeatAugSampler deals the views out to
    different ranks and stops the epoch after as many samples as there are images, a random third of them at 3 repeats.

    Args:
        dataset: what to draw.
        batch_size: B, of this rank.
        seed: of order, augmentation and mixing, 0..2^32-1.
        augment: how images are varied; None shows each as it is.
        repeats: samples an image in a row, each augmented anew, 1..32.
        mean: what is subtracted, 3 values in 0..1; by default measured on 1,024 images when first needed.
        std: what is then divided by, 3 values in 0..1; given with `mean` or not at all.
        mixup: alpha of mixup, 0 for none; the batch size must then be even.
        cutmix: alpha of CutMix, likewise; with both, each batch gets one of them.
        label_smoothing: probability spread evenly over all classes in the targets.
        device: where batches go.
        renderer: what draws: "cuda" on that device, which takes numba-cuda and an NVIDIA GPU, "cpu", or "auto", "cuda"
            where that can be. The attribute `renderer` tells which it is.
        rank: of this process, 0..world_size-1. Of the samples of a step, t * B * world_size and on, it takes its own B.
            So W ranks with batches of B / W see what one with B sees; only mixing differs, as each mixes its own batch.
        world_size: processes that train together.
        start: samples consumed already, by all ranks together.
        samples: where the training ends, counted from its beginning; None never ends it.
        ahead: batches that are drawn ahead, 1..64.

    Yields:
        (images, targets): float32 [B, 3, H, W] and int64 [B]; float32 [B, classes] with mixup, CutMix or smoothing.
        Where `dataset.target_names` are other labels than the class: the tensor of one or a dict of several, moved by
        the crops and flips of their image (a mask is int64 here). The channels of gray images are one in memory
        (stride 0) where mean and std are alike: `clone` before changing them.

    Raises:
        InputError: an argument is out of range or does not fit another; nothing is drawn then.
    """

    def __init__(
        self,
        dataset: FormulaDataset,
        batch_size: int,
        *,
        seed: int = 0,
        augment: Augmentation | None = CROPS,
        repeats: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        label_smoothing: float = 0.0,
        device: torch.device | str = "cpu",
        renderer: str = "auto",
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
        samples: int | None = None,
        ahead: int = 2,
    ) -> None:
        if not isinstance(dataset, FormulaDataset):
            raise InputError(f"dataset must be an fdsl.FormulaDataset, got {dataset!r}")
        if augment is not None and not isinstance(augment, Augmentation):
            raise InputError(f"augment must be an Augmentation or None, got {augment!r}")
        self.dataset, self.augment = dataset, augment
        self.batch_size = check_int("batch_size", batch_size, 1)
        self.seed = check_seed(seed)
        self.repeats = check_int("repeats", repeats, 1, REPEATS)
        self.world_size = check_int("world_size", world_size, 1)
        self.rank = check_int("rank", rank, 0, self.world_size - 1)
        self.ahead = check_int("ahead", ahead, 1, 64)
        self.device = tried_device(device)
        self.renderer = choose_renderer(renderer, self.device)
        self.mixing = Mixing(
            classes=dataset.family.classes,
            mixup=mixup,
            cutmix=cutmix,
            label_smoothing=label_smoothing,
            seed=self.seed,
        )
        if self.mixing.mixes and self.batch_size % 2:
            raise InputError(f"batch_size must be even with mixup or cutmix, got {batch_size}")
        if dataset.target_names != "class" and (self.mixing.mixes or label_smoothing):
            raise InputError(
                f"mixup, cutmix and label_smoothing must be 0 with targets {dataset.target_names!r}, "
                f"got {mixup:g}, {cutmix:g} and {label_smoothing:g}: they are for classes alone"
            )
        if (mean is None) != (std is None):
            raise InputError(f"mean and std must be given together or not at all, got {mean!r} and {std!r}")
        self._given = None if mean is None or std is None else Standardize(mean, std, self.device)
        self.samples = None if samples is None else check_int("samples", samples, 0)
        self._check_reach(start)
        self.seek(start)

    def _check_reach(self, start: int) -> None:
        """Check that there is a batch before the end, and that the epoch of the end still has a number."""
        if self.samples is not None and self.samples < self._step:
            needed = f"{self._step}, a batch of each rank"
            raise InputError(f"samples must be >= {needed}, got {self.samples}: no batch would be full")
        if self._epoch < self.world_size and self.samples is None:
            raise InputError(
                f"world_size must be <= {self._epoch}, the samples of an epoch, got {self.world_size}"
            )
        if self._epoch < self._step and self.samples is None:
            raise InputError(
                f"batch_size must be <= {self._epoch // self.world_size}, the samples of an epoch for each rank, "
                f"got {self.batch_size}: no batch would be full"
            )
        for field, number in (("start", start), ("samples", self.samples or 0)):
            check_int(field, number, 0, self._most)

    @property
    def _most(self) -> int:
        """Samples that can be numbered: as many epochs as have a number, and no more than fit an int64."""
        epochs = MAX_INSTANCE // UNLIMITED if self.dataset.instances is None else EPOCHS
        return min(epochs * self._epoch, MOST_SAMPLES)

    @property
    def _step(self) -> int:
        """Samples of one step, over all ranks."""
        return self.batch_size * self.world_size

    @property
    def _epoch(self) -> int:
        """Samples of one epoch."""
        return len(self.dataset) * self.repeats

    @cached_property
    def standardize(self) -> Standardize:
        """What makes uint8 pixels into what a model sees; its `mean` and `std` are the ones given or measured."""
        if self._given is not None:
            return self._given
        indices = np.arange(MEASURED) * len(self.dataset) // MEASURED
        chunks = indices.reshape(-1, MEASURED_AT_ONCE)
        return Standardize.of((self.dataset.render(chunk) for chunk in chunks), self.device)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides samples, 64 hex digits; batch size, ranks, device and threads do not.

        With mixup or CutMix, batch size and ranks still decide who is mixed with whom: a training may go on with
        others, from the right sample, though not with the same pairs.
        """
        dataset, given = self.dataset, self._given
        content: dict[str, Any] = {
            "family": dataset.family.digest(dataset.seed),
            "instances": dataset.instances,
            "size": dataset.size,
            "lines": dataset.lines,
            "seed": self.seed,
            "augment": None if self.augment is None else asdict(self.augment),
            "repeats": self.repeats,
            "standardize": None if given is None else (given.mean, given.std),
            "mixing": asdict(self.mixing),
        }
        if dataset.target_names != "class":
            content["targets"] = dataset.target_names
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Return where the training is: the samples consumed by all ranks, and the fingerprint of what decides them.

        A batch counts as consumed once it is handed out; those drawn ahead do not.
        """
        return {"next_sample": self._next, "fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the loader of `state` was, from the next iteration on.

        Raises:
            InputError: it is no such state, or that of a loader of other samples.
        """
        if not isinstance(state, dict) or set(state) != {"next_sample", "fingerprint"}:
            raise InputError(f"state must hold next_sample and fingerprint, got {state!r}")
        if state["fingerprint"] != self.fingerprint:
            raise InputError(
                f"fingerprint must be {self.fingerprint}, got {state['fingerprint']}: "
                "the state is that of another dataset, seed, augmentation or mixing"
            )
        self.seek(state["next_sample"])

    def seek(self, sample: int) -> None:
        """Let the next iteration begin at sample number `sample`.

        Raises:
            InputError: it is no integer, negative, or past the last epoch there is a number for.
        """
        self._next = check_int("next_sample", sample, 0, self._most)

    def __len__(self) -> int:
        """Batches of an iteration that begins now."""
        if self.samples is not None:
            return max(0, self.samples - self._next) // self._step
        return (-(-(self._next + self._step) // self._epoch) * self._epoch - self._next) // self._step

    @cached_property
    def _gpu(self) -> OnDevice:
        """What draws on the device, where `renderer` is "cuda"."""
        return OnDevice(self.dataset, self.device)

    def batch(self, first: int) -> Batch:
        """Draw this rank's batch of the step that begins with sample number `first`, whatever the state is."""
        check_int("first", first, 0)
        _ = self.standardize
        if self.renderer == "cuda":
            self._gpu.begin()
            return self._hand_over(self._draw_there(first))
        return self._finish(self._draw(first, self._buffer()))

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches from here to the end; see the class."""
        firsts = range(self._next, self._next + len(self) * self._step, self._step)
        _ = self.standardize  # measured before anything else is asked of the device
        with closing(self._drawn_ahead(firsts, *self._ways())) as batches:
            for first, batch in zip(firsts, batches, strict=True):
                self._next = first + self._step
                yield batch

    def _ways(self) -> tuple[Callable[[int], Any], Callable[[Any], Batch]]:
        """Return what a thread does to draw the step that begins with a sample, and what is done with that in turn."""
        if self.renderer == "cuda":
            self._gpu.begin()
            return self._draw_there, self._hand_over
        if self.device.type == "cpu":
            buffer = self._buffer()  # free again once its batch is made
            floats = Recycled((self.batch_size, self.standardize.count(self.dataset.channels), *self._square))
            return lambda first: self._finish(self._draw(first, buffer), floats), lambda batch: batch
        # a GPU may still copy from a buffer when the next one is drawn
        buffers = [self._buffer() for _ in range(self.ahead)]
        return lambda first: self._draw(first, buffers[(first // self._step) % self.ahead]), self._finish

    def _drawn_ahead(
        self, firsts: range, draw: Callable[[int], Any], finish: Callable[[Any], Batch]
    ) -> Generator[Batch, None, None]:
        """Yield finish(draw(first)) for each step; a thread draws, `ahead` of them in advance."""
        thread, rest = drawing_thread(), iter(firsts)
        try:
            asked = deque(thread.submit(draw, first) for first in islice(rest, self.ahead))
            while asked:
                batch = finish(asked.popleft().result())
                # only now: the buffer of the batch, drawn over next, is behind its copy
                asked.extend(thread.submit(draw, first) for first in islice(rest, 1))
                yield batch
        finally:
            thread.shutdown(cancel_futures=True)

    @property
    def _square(self) -> tuple[int, int]:
        return self.dataset.size, self.dataset.size

    def _buffer(self) -> Buffer:
        colour = (3,) if self.dataset.channels == 3 else ()
        return Buffer((self.batch_size, *self._square, *colour), self.device)

    def _draw(self, first: int, buffer: Buffer) -> tuple[int, Buffer]:
        """Draw this rank's samples of the step that begins with `first` on the CPU."""
        categories, instances, plan = self._samples(first)
        pixels, labels = buffer.reopen()
        self.dataset.draw(categories, instances, *plan, out=pixels)
        labels[:] = categories
        if self.dataset.target_names != "class":
            buffer.targets = self.dataset.draw_targets(categories, instances, plan[0])
        return first, buffer

    def _draw_there(self, first: int) -> tuple[Batch, Fence]:
        """Ask the device for this rank's batch of the step that begins with `first`, which is done past the fence."""
        categories, instances, plan = self._samples(first)
        with self._gpu.stream():
            images = self.standardize.planes(self._gpu.draw(categories, instances, *plan))
            targets = {}
            if self.dataset.target_names != "class":
                drawn = self.dataset.draw_targets(categories, instances, plan[0])
                targets = {name: self._gpu.send(values) for name, values in drawn.items()}
            batch = self._batch(first, images, self._gpu.send(categories), targets)
            return batch, self._gpu.fence()

    def _hand_over(self, drawn: tuple[Batch, Fence]) -> Batch:
        """Let the training's stream wait for a batch."""
        (images, targets), fence = drawn
        self._gpu.hand_over(fence, [images, *(targets.values() if isinstance(targets, dict) else [targets])])
        return drawn[0]

    def _samples(self, first: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Drawn]:
        """Return categories, instances and plan of this rank's samples of the step that begins with `first`."""
        begin = first + self.rank * self.batch_size
        images, repetitions = np.divmod(np.arange(begin, begin + self.batch_size), self.repeats)
        epochs, positions = np.divmod(images, len(self.dataset))
        indices = permuted(positions, len(self.dataset), self.seed, epochs)
        categories, instances = self.dataset.identify(indices, epochs)
        return categories, instances, self._plan(categories, instances, epochs, repetitions)

    def _plan(
        self,
        categories: NDArray[np.int64],
        instances: NDArray[np.int64],
        epochs: NDArray[np.int64],
        repetitions: NDArray[np.int64],
    ) -> Drawn:
        """Return view, tone and retouch of each image."""
        if self.augment is None:
            return None, None, None
        channels = self.dataset.channels
        plan = self.augment.plan(
            self.seed,
            categories,
            instances,
            epochs,
            repeats=repetitions,
            canvas=self.dataset.family.native_size,
            size=self.dataset.size,
            channels=channels,
            mean=self.standardize.mean[:channels],
            std=self.standardize.std[:channels],
        )
        return plan.view, plan.tone, plan.retouch

    def _finish(self, drawn: tuple[int, Buffer], floats: Recycled | None = None) -> Batch:
        """Make what was drawn on the CPU into what a model is fed."""
        first, buffer = drawn
        pixels, labels = buffer.send()
        images = self.standardize.planes(pixels, None if floats is None else floats.tensor())
        return self._batch(first, images, labels, buffer.send_targets())

    def _batch(self, first: int, images: Tensor, labels: Tensor, targets: dict[str, Tensor]) -> Batch:
        """Mix the planes of a batch, and put its targets beside it."""
        chosen = self.dataset.target_names
        if chosen == "class":
            mixed = self.mixing(images, labels, first + self.rank * self.batch_size)
            return images.expand(-1, 3, -1, -1), mixed
        # a cross-entropy wants the categories of pixels as int64
        own = {name: values.long() if name == "mask" else values for name, values in targets.items()}
        return images.expand(-1, 3, -1, -1), own[chosen] if isinstance(chosen, str) else own


def drawing_thread() -> ThreadPoolExecutor:
    """Return a thread whose own torch operations start no further ones, which would take the model's cores."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(1, thread_name_prefix="fdsl-loader")
    pool.submit(torch.set_num_threads, 1).result()
    torch.set_num_threads(threads)  # the number is each thread's own, but also that of threads to come
    return pool
