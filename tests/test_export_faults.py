"""Exports that are killed at any moment, asked to stop, or run out of room: they go on, to the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from fdsl.cli import main
from fdsl.data.export import exporting, unfinished
from fdsl.data.export.exporting import export_dataset
from fdsl.data.export.plan import make_plan
from fdsl.data.export.stores import UNFINISHED, Folder
from fdsl.data.export.stores.folder import WRITING, _machine
from fdsl.data.export.work import layout_of, make_shard
from fdsl.errors import DataError, InputError
from trees import FORMATS, as_command, export_config, tree
from warmed import PATIENCE, Warmed, warmed

KILLS = 25
SEED = 20260715
MANY = {"classes": 4, "instances": 30, "shard_size": 10}


@pytest.fixture(scope="module")
def run() -> Iterator[Warmed]:
    with warmed() as commands:
        yield commands


def with_workers(command: list[str], count: int) -> list[str]:
    place = command.index("--workers") + 1
    return [*command[:place], str(count), *command[place + 1 :]]


def test_an_export_killed_25_times_comes_to_the_same_bytes(tmp_path: Path, run: Warmed) -> None:
    moments, kills, number, whole, lasts = random.Random(SEED), 0, 0, {}, {}
    kinds = [(form, workers) for form in FORMATS for workers in (1, 2)]
    for form, workers in kinds:
        began = time.monotonic()
        out = tmp_path / f"{form}-{workers}"
        code, said = run(with_workers(as_command(export_config(form, **MANY), out), workers))
        assert code == 0, said
        lasts[form, workers] = time.monotonic() - began
        assert whole.setdefault(form, tree(out)) == tree(out), "workers must not matter"
    while kills < KILLS:  # an export that was not killed often enough is followed by another
        form, workers = kinds[number % len(kinds)]
        out = tmp_path / f"run-{number}"
        command = with_workers(as_command(export_config(form, **MANY), out), workers)
        goal, code = kills + KILLS // len(kinds) + 1, -1
        while code:
            moment = None if kills >= min(goal, KILLS) else moments.uniform(0, lasts[form, workers])
            code, said = run(command, end_after=moment)
            assert code in (0, -signal.SIGKILL), said
            kills += code != 0
        assert tree(out) == whole[form], f"{form}, {workers} workers, after {kills} kills, seed {SEED}"
        number += 1
    assert number >= len(kinds) - 1


def stopped(run: Warmed, command: list[str], out: Path, **how: Any) -> tuple[int, str]:
    """Run a command that writes `out` and stop it when the first shard is there."""
    while True:
        code, said = run(command, when=out / unfinished.RECORDS, end_after=0, **how)
        if code:
            return code, said
        shutil.rmtree(out)  # it was too quick


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_one_line(
    tmp_path: Path, run: Warmed, number: signal.Signals, workers: int
) -> None:
    config = export_config("webdataset", **MANY)
    assert run(as_command(config, tmp_path / "whole"))[0] == 0
    command = with_workers(as_command(config, tmp_path / "out"), workers)
    code, said = stopped(run, command, tmp_path / "out", by=number)
    assert code == (130 if number == signal.SIGINT else os.EX_TEMPFAIL), said
    words = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
    assert said.splitlines()[-1] == f"error: {words}: what is finished is kept, the same command goes on"
    assert said.count("error") == 1
    assert "Traceback" not in said
    assert not list((tmp_path / "out" / WRITING).glob("*.tmp")), "what was being written is removed"
    assert run(command)[0] == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def members(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.append(int(folder.name))
    return found


def wait_for_end(group: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while members(group):
        assert time.monotonic() < deadline, "workers go on without their parent"


def test_workers_end_with_their_parent(tmp_path: Path, run: Warmed) -> None:
    config = export_config("parquet", **MANY)
    assert run(as_command(config, tmp_path / "whole"))[0] == 0
    command = with_workers(as_command(config, tmp_path / "out"), 2)
    # Ctrl-C while they load their libraries
    code, said = run(command, new=True, when=tmp_path / "out" / UNFINISHED, end_after=0.3, by=signal.SIGINT)
    assert (code, said) == (130, "error: interrupted: what is finished is kept, the same command goes on\n")
    wait_for_end(run.group)
    # killed while they work
    code, _ = stopped(run, command, tmp_path / "out", new=True)
    assert code == -signal.SIGKILL
    orphans = run.group
    code, said = run(command)  # at once
    assert (code, "all there already" in said) == (0, False), said
    wait_for_end(orphans)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.parametrize("form", FORMATS)
def test_without_room_it_names_the_file_and_goes_on_when_there_is_some(
    tmp_path: Path, run: Warmed, form: str
) -> None:
    # with this seed the largest file is alone, and not in the first shard
    config = export_config(form, size=128, classes=4, instances=30, shard_size=15, seed=7)
    assert run(as_command(config, tmp_path / "whole"))[0] == 0
    whole, out = tree(tmp_path / "whole"), tmp_path / "out"
    sizes = {
        name: (tmp_path / "whole" / name).stat().st_size for name in whole if name.endswith(("g", "t", "r"))
    }
    largest = max(sizes, key=sizes.__getitem__)
    for workers in (1, 2):
        code, said = run(with_workers(as_command(config, out), workers), most=sizes[largest] - 1)
        line = said.splitlines()[-1]
        assert (code, line) == (2, f"error: File too large: {out / largest}"), said
        assert "Traceback" not in said
        left = {name: sha for name, sha in tree(out).items() if not name.startswith(UNFINISHED)}
        assert left.items() < whole.items(), "nothing half-written may be seen"
        assert not list((out / WRITING).glob("*.tmp")), "what was being written takes no room"
    kept = len(list((out / unfinished.RECORDS).iterdir()))
    assert 0 < kept < 8
    assert run(as_command(config, out))[0] == 0
    assert tree(out) == whole
    assert run(as_command(config, tmp_path / "none"), most=300)[1] == (
        f"error: File too large: {tmp_path / 'none' / unfinished.PLAN_FILE}\n"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_parts_in_any_order_or_at_once_are_the_whole(tmp_path: Path, form: str) -> None:
    config = export_config(form)
    export_dataset(config, tmp_path / "whole", workers=1)
    for number in (3, 1, 2):
        done = export_dataset(config, tmp_path / "parts", workers=1, part=(number, 3))
        assert (done.missing == 0) == (number == 2)
        assert (tmp_path / "parts" / UNFINISHED).exists() == (number != 2)
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")
    for n in range(4):
        out, found = tmp_path / f"at-once-{n}", []

        def part(number: int, out: Path = out, found: list[Any] = found) -> None:
            found.append(export_dataset(config, out, workers=1, part=(number, 3)))

        threads = [threading.Thread(target=part, args=(number,)) for number in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(done.made for done in found) == 24
        assert any(done.missing == 0 for done in found)
        assert tree(out) == tree(tmp_path / "whole")


def test_the_same_command_at_once_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = as_command(export_config(), out)
    with Folder(out).claim(f"{UNFINISHED}/part-1-of-1.lock"):
        assert main(command) == 2
    assert capsys.readouterr().err == (
        f"error: out must be free, got {out}: another process is making the same files there\n"
    )
    assert main(command) == 0
    assert not (out / UNFINISHED).exists()


MOMENTS = {
    "begun": (unfinished, "is_finished", 1),
    "claimed": (exporting, "_make", 1),
    "making": (exporting, "make_here", 1),
    "finishing": (unfinished, "finish", 2),
    "going on": (unfinished, "finished", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_another_process_may_finish_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    config, out = export_config(), tmp_path / "out"
    module, name, parts = MOMENTS[moment]
    original = getattr(module, name)

    def after_another(*arguments: Any) -> Any:
        monkeypatch.setattr(module, name, original)
        for number in range(1, parts + 1):
            export_dataset(config, out, workers=1, part=(number, parts))
        return original(*arguments)

    monkeypatch.setattr(module, name, after_another)
    done = export_dataset(config, out, workers=1, part=(1, 1) if parts == 2 else (1, 3))
    assert (done.images, done.missing) == (24, 0)
    export_dataset(config, tmp_path / "whole", workers=1)
    assert tree(out) == tree(tmp_path / "whole")


def test_another_part_may_begin_and_write_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, out = export_config(), tmp_path / "out"
    original = unfinished.is_finished

    def before_another(store: Any) -> bool:
        monkeypatch.setattr(unfinished, "is_finished", original)
        found = original(store)
        export_dataset(config, out, workers=1, part=(1, 2))
        return found

    monkeypatch.setattr(unfinished, "is_finished", before_another)
    assert export_dataset(config, out, workers=1, part=(2, 2)).missing == 0
    export_dataset(config, tmp_path / "whole", workers=1)
    assert tree(out) == tree(tmp_path / "whole")


def test_what_a_killed_process_left_is_used_or_swept(tmp_path: Path) -> None:
    config, out = export_config("webdataset"), tmp_path / "out"
    export_dataset(config, tmp_path / "whole", workers=1)
    export_dataset(config, out, workers=1, part=(1, 2))
    (out / WRITING).mkdir(exist_ok=True)
    for machine in (_machine(), "another"):  # whose locks may look free here
        (out / WRITING / f"{machine}-dead.lock").touch()
        (out / WRITING / f"{machine}-dead-1.tmp").write_bytes(b"half")
    with Folder(out).writing("x.tar") as alive:  # of another part, which is at work
        alive.write_bytes(b"half")
        assert export_dataset(config, out, workers=1, part=(1, 2)).made == 0
        left = {path.name for path in (out / WRITING).iterdir()}
        assert {"another-dead.lock", "another-dead-1.tmp"} < left
        assert sorted(Path(name).suffix for name in left) == [".lock", ".lock", ".tmp", ".tmp"]
        assert alive.exists()
    (out / "x.tar").unlink()
    (out / "train-00000.tar").write_bytes(b"shorter")  # its record is there
    (out / unfinished.record_file(2)).write_text('{"shard": 2')
    (out / unfinished.record_file(3)).write_text((out / unfinished.record_file(0)).read_text())
    assert export_dataset(config, out, workers=1).made == 24
    assert tree(out) == tree(tmp_path / "whole")
    (out / unfinished.RECORDS).mkdir(parents=True)  # killed between the manifest and clearing away
    assert export_dataset(config, out, workers=1).made == 0
    assert tree(out) == tree(tmp_path / "whole")


def test_a_process_that_has_written_there_before_writes_there_again(tmp_path: Path) -> None:
    layout, store = layout_of(make_plan(export_config())), Folder(tmp_path / "out")
    record = make_shard(layout, store, 0, lambda *_: None)
    shutil.rmtree(tmp_path / "out")

    def fail(*_: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_shard(layout, store, 0, fail)
    assert not list((tmp_path / "out" / WRITING).iterdir())
    shutil.rmtree(tmp_path / "out")
    assert make_shard(layout, store, 0, lambda *_: None) == record


@pytest.mark.parametrize("text", ["", '{"config": ', "null", "[1]", '{"config": 4}', "\xff"])
def test_a_damaged_plan_is_named(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out"
    (out / UNFINISHED).mkdir(parents=True)
    (out / unfinished.PLAN_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"plan\.json is damaged: .*; remove .*out and begin anew"):
        export_dataset(export_config(), out, workers=1)


def test_an_export_goes_on_with_its_own_parameters_and_libraries_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export_dataset(export_config(), out, workers=1, part=(1, 2))
    with pytest.raises(InputError, match=r"holds another: effort 2 there, 4 here, seed 0 there, 1 here$"):
        export_dataset(export_config(seed=1, effort=4), out, workers=1)
    plan = (out / unfinished.PLAN_FILE).read_text()
    for old, new, told in (
        ('"deflate": "', '"deflate": "0.', "deflate 0"),
        ('"version": 1', '"version": 0', "version 0 there, 1 here"),
        ('"dataset": "', '"dataset": "x', "dataset x"),
    ):
        assert old in plan
        (out / unfinished.PLAN_FILE).write_text(plan.replace(old, new))
        with pytest.raises(InputError, match=f"holds another: {told}"):
            export_dataset(export_config(), out, workers=1)


def test_a_worker_that_is_killed_is_said_to_be(tmp_path: Path, run: Warmed) -> None:
    config = export_config("webdataset", **MANY)
    assert run(as_command(config, tmp_path / "whole"))[0] == 0
    command = with_workers(as_command(config, tmp_path / "out"), 2)
    code, said = run(command, end_after=0, worker=True)
    assert (code, said.splitlines()[-1]) == (
        1,
        (
            "error: a worker has ended by itself, killed or out of memory (fewer --workers need less); "
            "what is finished is kept, and the same command goes on"
        ),
    )
    assert run(command)[0] == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
