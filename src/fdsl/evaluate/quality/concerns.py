"""What an inspection warns of, as sentences with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fdsl.evaluate.quality.inspecting import Inspection
from fdsl.evaluate.quality.ranges import Split

NAMED = 5
"""Categories or pairs that a sentence names."""
CHANCES = 3.0
"""Separability less than so many times that of guessing, and its error away from it, is hardly more."""
ALL_ALIKE = 1e-6


def concerns(found: Inspection) -> list[str]:
    """Return the warnings, each a sentence or two; none where there is nothing to say."""
    return [*_blank(found), *_saturated(found), *_identical(found), *_alike(found), *_inseparable(found)]


def _blank(found: Inspection) -> Iterator[str]:
    if not found.blank.any():
        return
    what = f"draw on less than {percent(found.config.blank)} of their pixels"
    what = what if found.background else "show a single value"
    where = _where(found, found.blank, found.blank_range)
    yield f"{_images(found, found.blank)} are blank: they {what}. {where}"


def _saturated(found: Inspection) -> Iterator[str]:
    if found.saturated.any():
        what = f"draw on more than {percent(found.config.saturated)} of their pixels"
        where = _where(found, found.saturated, found.saturated_range)
        yield f"{_images(found, found.saturated)} are saturated: they {what}. {where}"


def _where(found: Inspection, shown: NDArray[np.bool_], split: Split | None) -> str:
    """Say which range the images come from, or, where none tells, which categories have most of them."""
    if split is not None:
        which = "All" if split.recall == 1 else percent(split.recall)
        return f"{which} of them have {split}, and of the images there {percent(split.precision)} are so."
    counts = sum_by_category(found, shown)
    order = sorted(range(len(counts)), key=lambda place: (-counts[place], place))
    worst = [found.numbers[place] for place in order[:NAMED] if counts[place]]
    affected = sum(count > 0 for count in counts)
    return f"They lie in {affected} of {len(counts)} categories, most in {_listed(worst)}; no one range tells which."


def sum_by_category(found: Inspection, shown: NDArray[np.bool_]) -> list[int]:
    """Return how many of each category's images show something."""
    return [int(count) for count in shown.reshape(-1, found.config.instances).sum(axis=1)]


def _identical(found: Inspection) -> Iterator[str]:
    repeats, names = found.repeats, found.numbers
    if repeats.within:
        which = _listed([names[place] for place in repeats.within])
        yield f"{len(repeats.within)} of {len(names)} categories hold an image twice, to the pixel: {which}."
    if repeats.across:
        pairs = [f"{names[a]} and {names[b]}" for a, b in repeats.across]
        yield f"{len(pairs)} pairs of categories share an image, to the pixel: {_listed(pairs, '; ')}."


def _alike(found: Inspection) -> Iterator[str]:
    if not found.duplicates:
        return
    pairs = [f"{found.numbers[a]} and {found.numbers[b]}" for a, b in found.duplicates]
    share = percent(found.involved / len(found.numbers))
    yield (
        f"{found.involved} of {len(found.numbers)} categories ({share}) have a near duplicate among them, "
        f"{len(pairs):,} {'pair' if len(pairs) == 1 else 'pairs'} in all, the most alike {_listed(pairs, '; ')}."
    )


def _inseparable(found: Inspection) -> Iterator[str]:
    accuracy, error = found.accuracy.mean(), found.accuracy.std(ddof=1) / len(found.accuracy) ** 0.5
    if accuracy <= max(CHANCES * found.chance, found.chance + 2 * error):
        objects = found.family.objects
        several = f"; an image holds up to {objects} objects of different categories" if objects > 1 else ""
        yield (
            f"The nearest image is of the same category for {percent(accuracy)} of the images, where guessing gives "
            f"{percent(found.chance)}: what tells categories apart, if anything, is not in the descriptor{several}."
        )
    if found.spreads.overall < ALL_ALIKE:
        yield "All images have the same descriptor: they do not differ in any way that is measured."


def _images(found: Inspection, shown: NDArray[np.bool_]) -> str:
    count, total = int(sum(shown)), len(found.blank)
    return f"{count:,} of {total:,} images ({percent(count / total)})"


def _listed(names: Sequence[object], between: str = ", ") -> str:
    rest = len(names) - NAMED
    return between.join(map(str, names[:NAMED])) + (f"{between}and {rest:,} more" if rest > 0 else "")


def percent(share: float) -> str:
    """Return a share in percent: a digit below ten, so that little is told from none."""
    return f"{100 * share:.1f}%" if 0 < share < 0.0995 or 0.99 < share < 1 else f"{100 * share:.0f}%"
