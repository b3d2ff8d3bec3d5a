"""Parts of a probe by what must hold exactly: changed images, calibration, intervals, shape bias, result folders."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from scipy import ndimage, stats
from sklearn.calibration import calibration_curve

from fdsl.data.real import open_images
from fdsl.errors import InputError
from fdsl.evaluate.calibration import BINS, Reliability, brier_score
from fdsl.evaluate.probing.changes import CHANGES, blurred, changed, edges, shape_bias, shuffled
from fdsl.evaluate.probing.measuring import changed_batches
from fdsl.evaluate.probing.scores import Said, Score, said_of, shape_bias_interval, wilson
from fdsl.evaluate.results import check_result_folder, result_folder
from fdsl.files import write_json
from fdsl.train.finetuning.batches import SquareImages


def noise(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def disc(side: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.where(np.hypot(y, x) < radius, 40, 200).astype(np.uint8)[..., None].repeat(3, axis=2)


@pytest.mark.parametrize("side", [8, 32, 45])
def test_shuffling_moves_whole_patches_and_loses_no_pixel(side: int) -> None:
    image = noise(side)
    moved = shuffled(image, 3)
    assert np.array_equal(
        np.sort(image.reshape(-1, 3).view("u1,u1,u1"), 0), np.sort(moved.reshape(-1, 3).view("u1,u1,u1"), 0)
    )
    cell = side // 4
    corners = [range(0, 4 * cell, cell)] * 2
    before, after = (
        {part[y : y + cell, x : x + cell].tobytes() for y, x in itertools.product(*corners)}
        for part in (image, moved)
    )
    assert before == after
    assert not np.array_equal(image, moved)
    assert np.array_equal(image[4 * cell :], moved[4 * cell :])
    assert np.array_equal(image[:, 4 * cell :], moved[:, 4 * cell :])


def test_places_of_patches_are_the_image_s_own() -> None:
    image = noise(32)
    assert np.array_equal(shuffled(image, 5), shuffled(image, 5))
    assert not np.array_equal(shuffled(image, 5), shuffled(image, 6))


@pytest.mark.parametrize("level", [0, 93, 255])
def test_a_constant_image_has_no_edges_and_stays_constant_when_blurred(level: int) -> None:
    image = np.full((32, 32, 3), level, np.uint8)
    assert (edges(image) == 255).all()
    assert np.array_equal(blurred(image), image)


def test_edges_of_a_disc_are_one_closed_line_at_its_rim() -> None:
    found = edges(disc(64, 20))
    assert set(np.unique(found).tolist()) == {0, 255}
    line = found[..., 0] == 0
    y, x = np.nonzero(line)
    assert np.abs(np.hypot(y - 31.5, x - 31.5) - 20).max() < 1.5
    parts, count = ndimage.label(~line)  # 4-neighbours: a line closed over corners parts inside from outside
    assert count == 2
    assert parts[0, 0] != parts[32, 32]
    assert np.array_equal(edges(255 - disc(64, 20)), found)  # whatever is dark


def test_an_edge_between_two_pixels_is_drawn_once() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    assert ((edges(image)[..., 0] == 0).sum(axis=1) == 1).all()


def test_faint_noise_is_no_edge() -> None:
    wall = 128 + noise(32) // 128  # two neighbouring grays
    assert (edges(wall.astype(np.uint8)) == 255).all()


def test_blur_keeps_the_mean_and_takes_the_contrast() -> None:
    image = noise(64)
    soft = blurred(image)
    assert abs(soft.mean() - image.mean()) < 2
    assert soft.std() < 0.3 * image.std()


def test_versions_are_those_of_single_images() -> None:
    images, numbers = np.stack([noise(32, n) for n in range(3)]), np.array([7, 1, 4])
    assert np.array_equal(changed(images, numbers, "plain"), images)
    for name, change in CHANGES.items():
        one_by_one = [change(image, number) for image, number in zip(images, numbers.tolist(), strict=True)]
        assert np.array_equal(changed(images, numbers, name), np.stack(one_by_one))


def test_batches_of_a_version_are_all_images_in_order() -> None:
    images = open_images("digits", "test").subset(np.arange(300, 0, -1))  # more than one batch
    squares = SquareImages(images, 32)
    pixels, labels = zip(*changed_batches(squares, images.source_index, "shuffled"), strict=True)
    whole = changed(squares.pixels(np.arange(300)), images.source_index, "shuffled")
    assert np.array_equal(np.concatenate(pixels), whole)
    assert np.array_equal(np.concatenate(labels), images.labels)


def test_shape_bias_ends_at_0_and_1() -> None:
    assert shape_bias(0.8, 0.1, 0.1) == 1.0
    assert shape_bias(0.05, 0.8, 0.1) == 0.0
    assert shape_bias(0.4, 0.4, 0.1) == 0.5
    assert shape_bias(0.3, 0.2, 0.1) == pytest.approx(2 / 3)
    assert shape_bias(0.1, 0.05, 0.1) is None


def test_calibration_of_hand_made_answers() -> None:
    confidence = np.repeat([0.25, 0.5, 0.75], 100)
    right = np.concatenate([np.arange(100) < share for share in (25, 50, 75)])
    assert Reliability.of(confidence, right).error() == pytest.approx(0, abs=1e-12)
    surely_wrong = Reliability.of(np.ones(50), np.zeros(50, bool))
    assert surely_wrong.error() == 1
    assert surely_wrong.count == (*[0] * (BINS - 1), 50)
    assert surely_wrong.confidence[0] is None
    assert Reliability.of(np.array([0.0, 1 / BINS]), np.array([True, True])).count[0] == 2


def test_calibration_is_scikit_learn_s_curve() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0, 1, 500)
    right = rng.uniform(0, 1, 500) < confidence**2
    bins = Reliability.of(confidence, right)
    share, sure = calibration_curve(right, confidence, n_bins=BINS)
    np.testing.assert_allclose([value for value in bins.accuracy if value is not None], share)
    np.testing.assert_allclose([value for value in bins.confidence if value is not None], sure)
    counts = np.histogram(confidence, np.linspace(0, 1, BINS + 1))[0]
    assert bins.error() == pytest.approx(np.sum(counts * np.abs(share - sure)) / 500)


def test_brier_score_ends() -> None:
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert brier_score(sure, np.array([1.0, 1.0])) == 0
    assert brier_score(sure, np.array([0.0, 0.0])) == 2
    shares = np.array([[0.2, 0.5, 0.3]])
    assert brier_score(shares, np.array([0.3])) == pytest.approx(0.2**2 + 0.5**2 + 0.7**2)


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 10), (3, 3), (40, 40), (713, 1000)])
def test_interval_is_wilson_s(right: int, count: int) -> None:
    ends = stats.binomtest(right, count).proportion_ci(method="wilson")
    low, high = wilson(right / count, count)
    assert (low, high) == pytest.approx((ends.low, ends.high))
    assert low <= right / count <= high


class Fixed:
    """A classifier that knows two of three classes and gives what it is told."""

    classes_ = np.array([0, 2])

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return features


def said(shares: list[list[float]], labels: list[int]) -> Said:
    return said_of(Fixed(), np.array(shares), np.array(labels), ["a", "b", "c"])


def test_score_of_two_seeds_by_hand() -> None:
    labels = [0, 0, 2, 1]
    first = said([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]], labels)
    second = said([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.5, 0.5]], labels)
    assert first.right.tolist() == [True, False, True, False]
    np.testing.assert_allclose(first.predictions.label_confidence, [0.9, 0.2, 0.6, 0.0])
    assert first.brier == pytest.approx((0.02 + 1.28 + 0.32 + 1.5) / 4)
    score = Score.of({4: first, 9: second})
    assert score.by_seed == {4: 0.5, 9: 0.75}
    assert (score.accuracy, score.deviation) == (0.625, pytest.approx(0.125 * 2**0.5))
    assert score.per_class == {"a": 0.75, "b": 0.0, "c": 1.0}
    assert score.class_average == pytest.approx(1.75 / 3)
    assert sum(score.reliability.count) == 8
    alone = Score.of({4: first})
    assert (alone.deviation, alone.class_average_deviation, alone.calibration_error_deviation) == (None,) * 3
    assert alone.calibration_error == pytest.approx((0.1 + 0.8 + 0.4 + 0.5) / 4, abs=1e-6)


def test_interval_of_the_shape_bias_holds_it() -> None:
    labels = [0, 2] * 50
    sees = said([[0.9, 0.1] if n % 4 else [0.1, 0.9] for n in range(100)], labels)
    blind = said([[0.9, 0.1]] * 100, labels)
    low, high = shape_bias_interval([sees], [sees], 0.1) or (0, 0)
    assert low == high == 0.5  # both versions of an image are drawn together
    assert shape_bias_interval([sees], [blind], 0.5) is not None
    assert shape_bias_interval([blind], [blind], 1.0) is None


def test_result_folder_replaces_its_own_kind_alone(tmp_path: Path) -> None:
    files = {"thing.json", "old.png"}
    out = tmp_path / "out"
    for number in (1, 2):
        with result_folder("out", out, "thing", files) as folder:
            write_json(folder / "thing.json", {"what": "thing", "number": number})
            if number == 1:
                (folder / "old.png").touch()
    assert [path.name for path in out.iterdir()] == ["thing.json"]
    assert '"number": 2' in (out / "thing.json").read_text()
    with contextlib.suppress(RuntimeError), result_folder("out", out, "thing", files) as folder:
        (folder / "thing.json").write_text("half")
        raise RuntimeError
    assert '"number": 2' in (out / "thing.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(InputError, match=r"hold an earlier other alone, got .*: it holds thing\.json"):
        check_result_folder("out", out, "other", {"other.json"})
    (out / "notes.txt").touch()
    with pytest.raises(InputError, match=r"it holds notes\.txt"):
        check_result_folder("out", out, "thing", files)
    with pytest.raises(InputError, match="current folder"):
        check_result_folder("out", tmp_path.cwd(), "thing", files)
