"""What every test shares: caches in temporary folders, and hypothesis without a clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import hypothesis
import pytest

# Kernels for GPUs run in numba-cuda's simulator, unless NUMBA_ENABLE_CUDASIM=0 says that there is a GPU to try.
os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

# numba's cache looks at the file of a compiled function alone, not at those of the functions it calls: with a cache of
# its own for each state of the source no test runs yesterday's kernel. Only the newest state's stays.
ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "fdsl").rglob("*.py"))
KERNELS = (
    ROOT / ".pytest_cache" / "kernels" / sha256(b"".join(p.read_bytes() for p in SOURCES)).hexdigest()[:16]
)
for stale in set(KERNELS.parent.glob("*")) - {KERNELS}:
    shutil.rmtree(stale, ignore_errors=True)
os.environ["NUMBA_CACHE_DIR"] = str(KERNELS)

# A shared machine can stall any single example; the seed is printed so that a failure can be run again.
hypothesis.settings.register_profile("fdsl", deadline=None, print_blob=True)
hypothesis.settings.load_profile("fdsl")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep category searches of the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDSL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in a folder of its own, so that a default output path litters nothing."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a finished run of each kind; its name is nobody else's business."""
    from tiny_runs import finetune_config, pretrain_config, run_config

    folder = tmp_path_factory.mktemp("private-place")
    configs = [
        pretrain_config(folder / "drawn", alter=("broken=30",), ema_decay=0.9, wandb=None),
        pretrain_config(folder / "masks", family="SegRCDB", samples=12),
        pretrain_config(
            folder / "several",
            family="Contractive",
            options=("variant=point_gray",),
            target="classes",
            classes=3,
        ),
        finetune_config(folder / "tuned", weights=folder / "drawn", model=None, model_args=(), size=None),
        finetune_config(folder / "scratch"),
    ]
    for config in configs:
        run_config(config)
    return folder


@pytest.fixture(scope="session")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return an export in each format, to be looked at only."""
    from fdsl.data.export.exporting import export_dataset
    from trees import FORMATS, export_config

    made = {form: tmp_path_factory.mktemp("whole") / form for form in FORMATS}
    for form, out in made.items():
        export_dataset(export_config(form), out, workers=1)
    return made


@pytest.fixture(params=("folder", "webdataset", "parquet"))
def out(request: pytest.FixtureRequest, wholes: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of an export, which the test may damage; it is named after its format."""
    return Path(shutil.copytree(wholes[request.param], tmp_path / request.param))
