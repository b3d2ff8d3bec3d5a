"""What every family keeps, whichever it is: the registry decides who is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import altered_family

FAMILIES = sorted(fdsl.families())
CLASSES, SEED = 8, 7

# The first instances of eight categories at 224 px, crisp. A change of these publishes a new dataset: raise the
# family's `version` with it.
GOLDEN = {
    "BezierCurveDB": "7795bb5672131123",
    "Contractive": "634ea5dc290cfa1f",
    "ExFractalDB": "fd339a9f13b26a7c",
    "FractalDB": "c09463887c4bf031",
    "MVFractalDB": "5bd4002463f59c45",
    "MultiFractal": "2418b701856ae7e0",
    "OFDB2D": "5bcd8713a8e4068b",
    "OFDB3D": "1f0ec5f886546ed9",
    "OnePFrac": "eba7e566ef29c3a5",
    "PerlinNoiseDB": "8f57efeebec49e4e",
    "RCDB": "ebbf26834a4b8e0d",
    "SegRCDB": "ce73ee20139b135e",
    "VisualAtom": "7dbb14b6dd5156fb",
}

# The same of RCDB altered.
ALTERED = {
    "broken=30": "cfcde578b05c4cbd",
    "scattered=9": "dd5395c665e53825",
    "filled=2": "ee1a1d9f623f4fdf",
    "outline=2": "7f7d6d911ea3f195",
    "width=4": "c5ada00373e40c73",
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> fdsl.formulas.Family:
    return fdsl.family(request.param, classes=CLASSES)


def golden_images(family) -> np.ndarray:
    return fdsl.Renderer(224, "crisp")(family.table(SEED, np.arange(CLASSES), np.arange(CLASSES)))


def digest(images: np.ndarray) -> str:
    return sha256(images.tobytes()).hexdigest()[:16]


def test_golden_digest(family):
    assert digest(golden_images(family)) == GOLDEN[family.name], "these pixels are another dataset version"


@pytest.mark.parametrize("text", ALTERED)
def test_golden_digest_of_altered_images(text):
    family = altered_family(fdsl.RCDB(classes=CLASSES), text)
    assert digest(golden_images(family)) == ALTERED[text], (
        "these pixels are another version of the alteration"
    )


PROGRAM = f"""
import sys
import numpy as np, fdsl
from hashlib import sha256
from fdsl.formulas import altered_family
recipe = fdsl.Augmentation(hflip=0.5, auto_augment="rand-m9-mstd0.5-inc1-p1.0", random_erasing=0.5)
for name in sys.argv[1:]:
    n, (base, *texts) = np.arange({CLASSES}), ("RCDB", name) if "=" in name else (name,)
    family = altered_family(fdsl.family(base, classes={CLASSES}), *texts)
    table = family.table({SEED}, n, n)
    plan = recipe.plan(0, n, n, 0, canvas=family.native_size, size=96, channels=family.channels)
    drawn = [fdsl.Renderer(224, "crisp", threads=3)(table)]
    for lines in ("crisp", "area", "native"):
        drawn.append(fdsl.Renderer(96, lines, threads=3)(table, plan.view, plan.tone, plan.retouch))
    print(name, *(sha256(images.tobytes()).hexdigest()[:16] for images in drawn))
"""
# No further ones: whatever this processor can do beyond these, wider vectors or one rounding for two, "this" does.
TARGETS = {"this": None, "SSE2": ("generic", "+sse2")}
# Scenes and alterations take as long to compile as all of these; elsewhere their golden digests have to do.
COMPILED_ANEW = [name for name in FAMILIES if name != "MultiFractal"]


def drawn(target: str) -> list[str]:
    """Return what the program draws for a target."""
    return COMPILED_ANEW if TARGETS[target] else [*FAMILIES, *ALTERED]


def started(name: str, folder: Path) -> subprocess.Popen[str]:
    """Start the program, compiled for another processor if the target has one and its features."""
    environment, target = dict(os.environ), TARGETS[name]
    if target is not None:
        # numba takes an empty list of features for none given, hence "+sse2"
        environment |= {"NUMBA_CPU_NAME": target[0], "NUMBA_CPU_FEATURES": target[1]}
        environment |= {"NUMBA_CACHE_DIR": str(folder), "FDSL_CACHE": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *drawn(name)], stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, list[str]]]]:
    """What the program prints for each target; all run at once, as each compiles for a minute or two."""
    running = {name: started(name, tmp_path_factory.mktemp(name)) for name in TARGETS}

    @cache
    def printed(name: str) -> dict[str, list[str]]:
        text, _ = running[name].communicate()
        assert running[name].returncode == 0
        return {line.split()[0]: line.split()[1:] for line in text.splitlines()}

    yield printed
    for process in running.values():
        if process.poll() is None:  # nobody asked for it
            process.kill()
            process.wait()


@pytest.mark.parametrize("target", TARGETS)
def test_digests_in_other_processes(target, digests):
    """Of plain, averaged, resampled and augmented images, also compiled for other processors, with their categories
    searched for there."""
    found, golden, here = digests(target), GOLDEN | ALTERED, digests("this")
    assert {name: first for name, (first, *_) in found.items()} == {
        name: golden[name] for name in drawn(target)
    }
    assert found == {name: here[name] for name in drawn(target)}


@settings(max_examples=15)
@given(data=st.data())
def test_an_image_depends_on_its_identity_alone(family, data):
    """Not on its neighbours, their number or order, nor on threads."""
    identities = data.draw(
        st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, 2000)), min_size=2, max_size=20)
    )
    threads = data.draw(st.sampled_from([1, 2, 5]))
    categories, instances = np.array(identities).T
    together = fdsl.Renderer(64, "crisp", threads)(family.table(SEED, categories, instances))
    place = data.draw(st.integers(0, len(identities) - 1))
    alone = fdsl.Renderer(64, "crisp", 1)(family.table(SEED, categories[place : place + 1], instances[place]))
    assert (together[place] == alone[0]).all()


def test_every_family_can_be_altered(family):
    """Its drawer draws a few images at a time into canvases that take turns, whichever number an image has."""
    categories, instances = np.arange(11) % CLASSES, np.arange(11)
    renderer = fdsl.Renderer(32, "crisp", threads=1)
    plain = renderer(family.table(SEED, categories, instances))
    altered = renderer(altered_family(family, "width=1").table(SEED, categories, instances))
    assert (altered == plain).all()


def test_classes_do_not_move_when_there_are_more(family):
    more = replace(family, classes=2 * CLASSES)
    for k in range(CLASSES):
        assert family.category(SEED, k) == more.category(SEED, k)


def test_seeds_and_categories_differ(family):
    renderer = fdsl.Renderer(64)
    drawn = [
        renderer(family.table(seed, [k], [i]))[0].tobytes()
        for seed in (0, 1)
        for k in (0, 1, 2)
        for i in (0, 1, 5)
    ]
    assert len(set(drawn)) == len(drawn)


def test_category_parameters_are_plain(family):
    parameters = family.category(SEED, 3)
    assert parameters == json.loads(json.dumps(parameters))
    assert parameters != family.category(SEED, 4)


def test_images_show_something_on_the_background(family):
    images = golden_images(family)
    share = (images != family.background).mean(axis=(1, 2))
    assert (share > 0.001).all()
    if family.name != "MultiFractal":  # noise is behind everything
        assert (share < 0.999).all()


def test_digest_names_the_definition(family):
    assert family.digest(0) == fdsl.family(family.name.lower(), classes=CLASSES).digest(0)
    assert family.digest(0) != family.digest(1)
    assert family.digest(0) != replace(family, classes=CLASSES + 1).digest(0)
    assert family.digest(0) == replace(family, classes=np.int64(CLASSES)).digest(0), "the same images"


@pytest.mark.parametrize("classes", [-1, 0, 1, 10**9, 2.5, "10", True, None])
def test_class_counts_out_of_range_are_refused(family, classes):
    with pytest.raises(InputError, match="classes must be"):
        fdsl.family(family.name, classes=classes)


@pytest.mark.parametrize(
    ("categories", "instances", "message"),
    [
        ([CLASSES], [0], "category must be in"),
        ([-1], [0], "category must be in"),
        ([0], [-1], "instance must be in"),
    ],
)
def test_identities_out_of_range_are_refused(family, categories, instances, message):
    with pytest.raises(InputError, match=message):
        family.table(0, categories, instances)
    with pytest.raises(InputError, match="categories must be integers, got float64"):
        family.table(0, [0.5], [0])
    with pytest.raises(InputError, match=r"must be as many, or one, got shapes \(2,\) and \(3,\)"):
        family.table(0, [0, 1], [0, 1, 2])


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"family must be one of .* got 'rcbd'"):
        fdsl.family("rcbd")
    with pytest.raises(
        InputError, match=r"field of RCDB must be one of classes, files, variant, .*'varaint'.*did you mean"
    ):
        fdsl.family("rcdb", varaint="paper")
