"""The same files whoever makes them: this process, several, parts of an array, Ray; and where fsspec puts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from fdsl.cli.app import main
from fdsl.data.export.checking import repair, verify
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.exporting import export_dataset
from fdsl.data.export.manifest import read_manifest
from fdsl.data.export.stores import Store, open_store
from fdsl.data.export.work import layout_of
from fdsl.errors import DataError, InputError
from fdsl.render import Renderer

FORMATS = ("folder", "webdataset", "parquet")
# Ray leaves its log files and child processes to the collector, and uses settings that it calls deprecated
RAY_WARNS = (
    "ignore:unclosed:ResourceWarning",
    "ignore:subprocess \\d+ is still running:ResourceWarning",
    "ignore::DeprecationWarning:ray\\.",
)


def config(**fields: Any) -> ExportConfig:
    """Return an export of nine images in three shards."""
    small = {"family": "RCDB", "classes": 3, "instances": 3, "size": 32, "shard_size": 3, "encoding": "npy"}
    return ExportConfig(**{**small, **fields})


def tree(root: Path | str) -> dict[str, bytes]:
    """Return all files of an export, by name."""
    store = open_store(root)
    return {name: store.read(name) for name in store.names()}


@pytest.fixture
def memory() -> Iterator[str]:
    """Return an address of files in this process's memory."""
    target = f"memory://{uuid.uuid4().hex}"
    yield target
    store = open_store(target)
    store.remove("")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders that this process wrote, by format."""
    made = {form: tmp_path_factory.mktemp("here") / "ünder way" / form for form in FORMATS}
    for form, out in made.items():
        export_dataset(config(format=form), out, workers=1)
    return made


@pytest.fixture(scope="module")
def ray_here() -> Iterator[Any]:
    """Start Ray once, with two workers, in a folder whose name is short enough for its sockets."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'fdsl[ray]'")
    folder = tempfile.mkdtemp(prefix="ray")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
            patch.setenv(name, "0")
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100 << 20,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=folder,
        )
        try:
            yield ray
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


class TestEngines:
    @pytest.mark.parametrize("form", FORMATS)
    def test_parts_in_any_order_make_the_same_files(
        self, form: str, here: dict[str, Path], tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        made = [export_dataset(config(format=form), out, workers=1, part=(i, 4)) for i in (3, 4, 1, 2)]
        assert [one.made for one in made] == [3, 0, 3, 3]
        assert [one.missing for one in made] == [2, 2, 1, 0]
        assert tree(out) == tree(here[form])

    def test_two_processes_make_the_same_files(self, here: dict[str, Path], tmp_path: Path) -> None:
        export_dataset(config(format="webdataset"), tmp_path / "out", workers=2)
        assert tree(tmp_path / "out") == tree(here["webdataset"])


@pytest.mark.filterwarnings(*RAY_WARNS)
class TestRay:
    def test_a_lost_worker_changes_nothing(
        self, ray_here: Any, here: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[tuple[int, int]] = []
        export_dataset(
            config(format="parquet"),
            "out",  # found by workers, which run elsewhere
            workers=2,
            engine="ray",
            progress=lambda images, done, _: told.append((images, done)),
        )
        assert tree(tmp_path / "out") == tree(here["parquet"])
        assert told == [(9, 0), (9, 3), (9, 6), (9, 9)]

        from fdsl.data.export import cluster

        class Killed(cluster._Work):
            def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
                marker = tmp_path / f"killed-{row['shard']}"
                if not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().__call__(row)

        monkeypatch.setattr(cluster, "_Work", Killed)
        export_dataset(config(format="webdataset"), "again", workers=2, engine="ray")
        assert len(list(tmp_path.glob("killed-*"))) == 3
        assert tree(tmp_path / "again") == tree(here["webdataset"])
        assert ray_here.is_initialized()
        assert not ray_here.data.DataContext.get_current().raise_original_map_exception

    def test_what_a_worker_cannot_write_is_one_line(
        self, ray_here: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "out" / "00001").parent.mkdir()
        options = [
            "--classes",
            "3",
            "--instances",
            "3",
            "--size",
            "32",
            "--shard-size",
            "3",
            "--engine",
            "ray",
        ]
        begun = [*options, "--encoding", "npy", "--out", "out"]
        assert main(["render", "RCDB", *begun, "--shard", "1/3"]) == 0
        (tmp_path / "out" / "00001").write_text("a file where a folder must be")
        capsys.readouterr()
        assert main(["render", "RCDB", *begun, "--workers", "1"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "out/00001" in error
        assert error.count("\n") == 1


class TestAddress:
    @pytest.mark.parametrize(
        "address", ["nonsense", "ray://127.0.0.1:10001", "127.0.0.1:1", "127.0.0.1:99999", ""]
    )
    def test_of_nothing_is_refused_at_once(self, address: str, tmp_path: Path) -> None:
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'fdsl[ray]'")
        with pytest.raises(InputError, match=r"^address must be .*of a Ray cluster"):
            export_dataset(config(), tmp_path / "out", engine="ray", address=address)

    def test_without_ray_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="address must be left out with engine local"):
            export_dataset(config(), tmp_path / "out", address="auto")


class Interrupted(Exception):
    """What a test stops an export with."""


class TestAddressesOfFsspec:
    @pytest.mark.parametrize("form", FORMATS)
    def test_hold_the_same_files_also_after_an_interruption(
        self, form: str, here: dict[str, Path], memory: str
    ) -> None:
        def stop(_: int, done: int, __: int) -> None:
            if done == 5:
                raise Interrupted

        with pytest.raises(Interrupted):
            export_dataset(config(format=form), memory, workers=1, progress=stop)
        with pytest.raises(InputError, match="which holds another: seed 0 there, 1 here"):
            export_dataset(config(format=form, seed=1), memory, workers=1)
        made = export_dataset(config(format=form), memory, workers=1)
        assert (made.made, made.missing) == (6, 0)
        assert tree(memory) == tree(here[form])
        assert export_dataset(config(format=form), memory, workers=1).made == 0

    @pytest.mark.parametrize("form", FORMATS)
    def test_are_verified_and_repaired(self, form: str, here: dict[str, Path], memory: str) -> None:
        export_dataset(config(format=form), memory, workers=1)
        assert verify(memory, redraw=1).problems == ()
        store = open_store(memory)
        layout = layout_of(read_manifest(store).plan)
        edited, lost = layout.files(0)[-1], layout.files(2)[-1]
        store.write(edited, store.read(edited)[:-1] + b"?")
        fsspec.filesystem("memory").rm(f"{memory.removeprefix('memory:/')}/{lost}")
        found = verify(memory, redraw=1).problems
        assert [problem.shard for problem in found] == [0, 2]
        assert [problem.what.partition(":")[0].partition(" ")[0] for problem in found] == [
            "edited",
            "missing",
        ]
        assert len(repair(memory, workers=2)) == 2  # by this process: others have a memory of their own
        assert tree(memory) == tree(here[form])

    def test_of_files_are_folders(self, here: dict[str, Path], tmp_path: Path) -> None:
        export_dataset(config(), f"file://{tmp_path}/a name", workers=1)
        assert tree(tmp_path / "a name") == tree(here["folder"])

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("memory://", "below its root"),
            ("nobody://bucket", "Protocol not known"),
        ],
    )
    def test_that_are_none_are_refused(self, target: str, message: str) -> None:
        with pytest.raises(InputError, match=f"^out must .*{message}"):
            export_dataset(config(), target)

    @pytest.mark.parametrize("more", [{"workers": 2}, {"engine": "ray"}])
    def test_of_memory_are_refused_for_other_processes(self, more: dict[str, Any], memory: str) -> None:
        with pytest.raises(InputError, match="which is of this process alone"):
            export_dataset(config(), memory, **more)
        export_dataset(config(), memory, workers=1)

    def test_that_fail_say_which_file(self, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
        store = open_store(memory)
        with pytest.raises(FileNotFoundError) as lost:
            store.read("a/b")
        assert lost.value.filename == f"{memory}/a/b"

        def refused(*_: object) -> None:
            raise PermissionError("Access Denied")

        def unreachable(*_: object) -> None:
            raise RuntimeError("no route\nto anywhere")

        def no_bucket(*_: object) -> None:
            raise FileNotFoundError("The specified bucket does not exist")

        system = type(fsspec.filesystem("memory"))
        for method, raised, said in (
            ("pipe_file", refused, "written: Access Denied"),
            ("put_file", no_bucket, "written: The specified bucket does not exist"),
            ("pipe_file", no_bucket, "written: The specified bucket does not exist"),
            ("cat_file", unreachable, "reached: no route"),
            ("open", unreachable, "reached: no route"),
            ("find", unreachable, "reached: no route"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(system, method, raised)
                with pytest.raises(DataError, match=rf"^{memory}(/a/b)? cannot be {said}$"):
                    _touched(store, method)


def _touched(store: Store, method: str) -> None:
    """Use the method of the file system that is broken."""
    if method == "pipe_file":
        store.write("a/b", b"1")
    elif method == "put_file":
        with store.writing("a/b") as path:
            path.write_bytes(b"1")
    elif method == "cat_file":
        store.read("a/b")
    elif method == "open":
        list(store.pieces("a/b"))
    else:
        list(store.names())


def test_every_image_is_that_of_the_family(here: dict[str, Path]) -> None:
    plan = layout_of(read_manifest(open_store(here["folder"])).plan).plan
    for k in range(3):
        drawn = Renderer(32)(plan.family.table(0, [k] * 3, [0, 1, 2]))
        stored = [np.load(here["folder"] / f"{k:05}" / f"{i:06}.npy") for i in range(3)]
        np.testing.assert_array_equal(stored, drawn)
    assert json.loads((here["folder"] / "manifest.json").read_text())["images"] == 9
