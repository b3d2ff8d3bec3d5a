"""Pre-trained against scratch: paired seeds, the same learning rates for both, one number and its error."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fdsl.errors import InputError

ArmName = Literal["pretrained", "scratch"]

# Two-sided 95% quantiles of Student's t by degrees of freedom; beyond them the last serves, a bit too wide.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fine-tuning: where it started, its peak learning rate, its seed, its test accuracy (0 to 1)."""

    arm: ArmName
    lr: float
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Cell:
    """Test accuracies of one arm at one learning rate, in percent, in the order of the seeds."""

    lr: float
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds, percent."""
        return statistics.fmean(self.accuracies)

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds (n - 1), points."""
        return statistics.stdev(self.accuracies)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both arms at every learning rate; each is judged at the rate with its own best mean over the seeds."""

    seeds: tuple[int, ...]
    pretrained: tuple[Cell, ...]
    scratch: tuple[Cell, ...]

    @property
    def best_pretrained(self) -> Cell:
        """The cell the pre-trained arm is judged by."""
        return max(self.pretrained, key=lambda cell: cell.mean)

    @property
    def best_scratch(self) -> Cell:
        """The cell the arm from scratch is judged by."""
        return max(self.scratch, key=lambda cell: cell.mean)

    def best(self, arm: ArmName) -> Cell:
        """Return the cell `arm` is judged by."""
        return self.best_pretrained if arm == "pretrained" else self.best_scratch

    @property
    def at_edge(self) -> tuple[ArmName, ...]:
        """The arms whose best rate is the lowest or the highest tried, so that a better one may lie beyond."""
        arms: tuple[ArmName, ArmName] = ("scratch", "pretrained")
        edges = (self.scratch[0].lr, self.scratch[-1].lr)
        return tuple(arm for arm in arms if self.best(arm).lr in edges)

    @property
    def gains(self) -> tuple[float, ...]:
        """Pre-trained minus scratch for each seed, points."""
        return paired(self.best_pretrained, self.best_scratch)

    @property
    def gain(self) -> float:
        """Mean of the paired gains, points."""
        return statistics.fmean(self.gains)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean gain, points."""
        return statistics.stdev(self.gains) / math.sqrt(len(self.gains))

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the mean gain by Student's t over the seeds, points."""
        reach = _T95[min(len(self.gains) - 1, len(_T95)) - 1] * self.standard_error
        return self.gain - reach, self.gain + reach

    @property
    def direction(self) -> Literal[-1, 0, 1]:
        """1 or -1 where the 95% interval of the gain leaves out zero, otherwise 0."""
        low, high = self.interval
        return 1 if low > 0 else -1 if high < 0 else 0


def paired(pretrained: Cell, scratch: Cell) -> tuple[float, ...]:
    """Return the difference of two cells seed by seed, points."""
    return tuple(a - b for a, b in zip(pretrained.accuracies, scratch.accuracies, strict=True))


def compare(trials: Iterable[Trial]) -> Comparison:
    """Arrange trials into a comparison, and refuse one in which an arm was tried more than the other.

    Raises:
        InputError: fewer than two seeds, a trial missing or double, or an accuracy outside 0 to 1.
    """
    table: dict[tuple[ArmName, float, int], float] = {}
    for trial in trials:
        key = (trial.arm, trial.lr, trial.seed)
        if key in table:
            raise InputError(
                f"trials must differ, got {trial.arm} at lr {trial.lr:g}, seed {trial.seed} twice"
            )
        if not 0 <= trial.accuracy <= 1:
            raise InputError(f"accuracy must be in [0, 1], got {trial.accuracy!r}")
        table[key] = 100 * trial.accuracy
    seeds = tuple(sorted({seed for _, _, seed in table}))
    rates = sorted({lr for _, lr, _ in table})
    if len(seeds) < 2:
        raise InputError(f"trials must have at least two seeds, got {len(seeds)}: no spread without")
    arms: tuple[ArmName, ArmName] = ("pretrained", "scratch")
    for arm in arms:
        for lr in rates:
            if missing := [seed for seed in seeds if (arm, lr, seed) not in table]:
                raise InputError(f"trials must pair up, {arm} at lr {lr:g} lacks seed {missing[0]}")
    pretrained, scratch = (
        tuple(Cell(lr, tuple(table[arm, lr, seed] for seed in seeds)) for lr in rates) for arm in arms
    )
    return Comparison(seeds=seeds, pretrained=pretrained, scratch=scratch)


def verdict(
    comparison: Comparison,
    *,
    judge: bool = True,
    what: str = "Pre-training on formulas",
    against: str = "from scratch",
) -> str:
    """Say in one or two sentences what the numbers allow, and no more; without `judge`, only the numbers.

    Args:
        comparison: of the two sides.
        judge: whether the runs were long enough to judge by.
        what: the pre-trained side did.
        against: where the other side started.
    """
    low, high = comparison.interval
    numbers = (
        f"{comparison.best_pretrained.mean:.1f}% against {comparison.best_scratch.mean:.1f}% {against}, "
        f"a difference of {comparison.gain:+.1f} points with a standard error of "
        f"{comparison.standard_error:.1f} over {len(comparison.seeds)} paired seeds "
        f"(95% interval {low:+.1f} to {high:+.1f})"
    )
    if not judge:
        return f"Too short to judge by: {numbers}."
    if comparison.direction > 0:
        return f"{what} helped: {numbers}."
    if comparison.direction < 0:
        return f"{what} did harm: {numbers}."
    return f"No gain can be claimed: {numbers}. The interval holds zero."
