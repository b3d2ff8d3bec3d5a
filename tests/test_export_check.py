"""`fdsl verify` names what is wrong with files, and `fdsl repair` mends just that."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from fdsl.cli import main
from fdsl.data.export.checking import repair, verify
from fdsl.data.export.exporting import export_dataset
from fdsl.data.export.manifest import MANIFEST_FILE, _checksum, manifest_text, read_manifest
from fdsl.data.export.plan import make_plan
from fdsl.data.export.records import FilesDigest, Record, digest_of_file
from fdsl.data.export.stores import UNFINISHED, Folder
from fdsl.data.export.work import layout_of
from fdsl.errors import DataError, InputError
from trees import export_config, places, tree

Captured = pytest.CaptureFixture[str]


def shards_of(out: Path) -> list[Path]:
    """Return files of different shards."""
    if out.name == "folder":
        return [out / "00000/000001.png", out / "00001/000000.png"]
    found = sorted(out.glob("*.tar" if out.name == "webdataset" else "data/*.parquet"))
    return [found[1], found[2]]


def truncated(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def extended(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def edited(path: Path, _: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swapped(path: Path, other: Path) -> None:
    path.rename(path.with_suffix(".x"))
    other.rename(path)
    path.with_suffix(".x").rename(other)


def deleted(path: Path, _: Path) -> None:
    path.unlink()


def emptied(path: Path, _: Path) -> None:
    path.write_bytes(b"")


DAMAGES = {
    truncated: r"cut short: [\d,]+ of [\d,]+ bytes",
    extended: r"too long: [\d,]+ bytes where there were [\d,]+",
    edited: r"edited: its SHA-256 is not that of the manifest",
    swapped: r"",
    deleted: r"missing",
    emptied: r"cut short",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_named_and_just_it_is_mended(
    out: Path, capsys: Captured, damage: Callable[[Path, Path], None]
) -> None:
    before, where = tree(out), places(out)
    path, other = shards_of(out)
    damage(path, other)
    touched = [path, other] if damage is swapped else [path]
    names = [each.relative_to(out).as_posix() for each in touched]
    assert main(["verify", str(out)]) == 2
    said, error = capsys.readouterr()
    lines = said.splitlines()
    assert error.startswith(f"error: {out} must be as its manifest says, but ")
    assert error.count("\n") == 1
    assert len(lines) == len(touched), said
    for line, name in zip(lines, names, strict=True):
        assert name in line, said
    what = verify(out).problems[0].what
    if damage is swapped and out.name != "folder":
        assert what == f"swapped: it holds what {names[1]} should"
    else:
        assert re.match(DAMAGES[damage], what), what
    assert main(["repair", str(out), "--workers", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{out}: {len(touched)} mended"
    assert tree(out) == before
    after = places(out)
    assert [name for name in where if after[name] != where[name]] == names
    assert main(["verify", str(out), "--redraw", "1"]) == 0
    assert capsys.readouterr().out == (
        f"{out}: 24 images in 4 shards as the manifest says, 24 drawn again alike\n"
    )


def test_lost_folders_lists_and_the_card_are_made_again(out: Path) -> None:
    before = tree(out)
    (out / "README.md").unlink()
    if out.name == "folder":
        shutil.rmtree(out / "00001")
        expected = ["00000/000006.png to 00001/000003.png", "00001/000004.png to 00002/000001.png"]
    elif out.name == "webdataset":
        (out / "_info.json").write_text((out / "_info.json").read_text().replace("6", "7"))
        expected = ["_info.json"]
    else:
        shutil.rmtree(out / "data")
        expected = [f"data/train-{n:05}-of-00004.parquet" for n in range(4)]
    expected.append("README.md")
    assert [problem.name for problem in verify(out).problems] == expected
    assert [problem.name for problem in repair(out, workers=1)] == expected
    assert tree(out) == before
    assert repair(out, workers=1) == []


def test_strays_are_named_and_stay(out: Path, capsys: Captured) -> None:
    strays = {
        "folder": ["00001/000099.png", "00001/holiday.JPG", "extra/000001.png"],
        "webdataset": ["train-00004.tar"],
        "parquet": ["data/train-00000-of-00001.parquet"],
    }[out.name]
    for name in strays:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(b"x")
    (out / "notes.txt").write_text("of no reader's business")
    (out / UNFINISHED).mkdir()  # torchvision would take it for a category
    before = tree(out)
    assert main(["verify", str(out)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [*strays, UNFINISHED]
    assert main(["repair", str(out)]) == 2  # it is not as it should be yet
    said, error = capsys.readouterr()
    assert said.splitlines() == [
        *(f"{line}; left as it is" for line in lines[:-1]),
        f"{lines[-1]}; mended",
        f"{out}: 1 mended",
    ]
    assert error.endswith(f": {len(strays)} left, which are not repair's to mend\n")
    del before[UNFINISHED]
    assert tree(out) == before


GONE = object()


def with_manifest(out: Path, **changes: Any) -> None:
    """Change fields of a manifest, or leave out what is GONE, and its own checksum with them."""
    content = json.loads((out / MANIFEST_FILE).read_text())
    del content["sha256"]
    content = {name: value for name, value in {**content, **changes}.items() if value is not GONE}
    (out / MANIFEST_FILE).write_text(json.dumps({**content, "sha256": _checksum(content)}))


def test_repair_needs_the_libraries_that_made_the_files(out: Path, capsys: Captured) -> None:
    with_manifest(out, versions={"deflate": "0.1", **({"pyarrow": "1.2"} if out.name == "parquet" else {})})
    assert main(["verify", str(out), "--redraw", "0.1"]) == 0
    deleted(*shards_of(out))
    before = tree(out)
    capsys.readouterr()
    assert main(["repair", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: repair needs the libraries that made the files, or bytes would differ: ")
    assert "deflate 0.1 there, " in error
    assert ("pyarrow 1.2 there, " in error) == (out.name == "parquet")
    assert tree(out) == before


def test_repair_says_if_a_shard_comes_out_otherwise(out: Path) -> None:
    manifest = read_manifest(Folder(out))
    records = [*manifest.records]
    records[2] = Record(**{**records[2].to_json(), "sha256": "0" * 64})
    (out / MANIFEST_FILE).write_text(manifest_text(manifest.plan, records))
    with pytest.raises(DataError, match="must come out as the manifest says, but differs"):
        repair(out, workers=1)


@pytest.mark.parametrize("wrong", ["pixels", "labels"])
def test_redraw_finds_what_the_manifest_says_and_no_formula(
    out: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    config = export_config(out.name)
    shutil.rmtree(out)
    original = make_plan(config).samples

    def forged(_: Any, positions: Any) -> Iterator[Any]:
        for sample in original(positions):
            if (sample.category, sample.instance) == (1, 3):
                again = next(original([0]))
                yield again._replace(
                    category=1 if wrong == "pixels" else 2,
                    instance=3,
                    content=again.content if wrong == "pixels" else sample.content,
                )
            else:
                yield sample

    with monkeypatch.context() as patch:
        patch.setattr("fdsl.data.export.plan.Plan.samples", forged)
        if wrong == "labels" and out.name == "folder":
            patch.setattr("fdsl.data.export.plan.Plan.samples", lambda _, where: original(where))
        export_dataset(config, out, workers=1)
    if wrong == "labels" and out.name == "folder":  # the folder is the label: pixels of another category
        swap_with_digests(out, "00001/000003.png", "00002/000003.png")
    assert main(["verify", str(out)]) == 0
    assert main(["verify", str(out), "--redraw", "1"]) == 2
    said, error = capsys.readouterr()
    _, *lines, redrawn = said.splitlines()
    assert lines
    assert redrawn == "24 images of shards with the right digest were drawn again"
    for line in lines:
        expected = "values differ" if wrong == "pixels" or out.name == "folder" else "its label is 2, that"
        assert expected in line, line
        assert line.endswith(", though the digest is that of the manifest: render it anew")
        assert "3" in line
    assert "repair" not in error


def swap_with_digests(out: Path, one: str, other: str) -> None:
    """Swap two images in folders, and write a manifest that says so."""
    swapped(out / one, out / other)
    store = Folder(out)
    plan = read_manifest(store).plan
    layout = layout_of(plan)
    records = []
    for record in read_manifest(store).records:
        found = FilesDigest()
        for name in layout.files(record.shard):
            found.add(name, *digest_of_file(store.pieces(name)))
        fields = {**record.to_json(), "bytes": found.bytes, "sha256": found.hexdigest()}
        records.append(Record(**fields))
    (out / MANIFEST_FILE).write_text(manifest_text(plan, records))


@pytest.mark.parametrize(("member", "count"), [(".cls", -1), (".cls", 1), (".png", -1), (".png", 1)])
def test_a_tar_that_lacks_a_file_or_has_one_twice_cannot_be_read(
    wholes: dict[str, Path], tmp_path: Path, member: str, count: int
) -> None:
    out = Path(shutil.copytree(wholes["webdataset"], tmp_path / "out"))
    path = out / "train-00001.tar"
    with tarfile.open(path) as tar:
        files = [(found, tar.extractfile(found).read()) for found in tar]  # type: ignore[union-attr]
    place = [n for n, (found, _) in enumerate(files) if found.name.endswith(member)][-1]
    files[place : place + 1] = [files[place]] * (1 + count)
    with tarfile.open(path, "w") as tar:
        for found, content in files:
            tar.addfile(found, io.BytesIO(content))
    manifest = read_manifest(Folder(out))
    records = [*manifest.records]
    size, sha256 = digest_of_file([path.read_bytes()])
    records[1] = Record(**{**records[1].to_json(), "bytes": size, "sha256": sha256})
    (out / MANIFEST_FILE).write_text(manifest_text(manifest.plan, records))
    (problem,) = verify(out, redraw=1).problems
    assert problem.name == path.name
    assert problem.what.startswith("cannot be read: ")
    assert not problem.mendable


def test_an_unfinished_export_is_no_export_yet(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_dataset(export_config("webdataset"), out, workers=1, part=(1, 2))
    for command in (verify, repair):
        with pytest.raises(InputError, match="the fdsl render command that began it goes on"):
            command(out)
    assert (out / UNFINISHED).exists()


def test_render_points_to_repair(out: Path) -> None:
    deleted(*shards_of(out))
    with pytest.raises(DataError, match=r"is finished, but 1 of its shards are missing .*: fdsl repair "):
        export_dataset(export_config(out.name), out, workers=1)
    repair(out, workers=1)
    assert export_dataset(export_config(out.name), out, workers=1).made == 0


def test_something_else_in_place_of_a_shard_is_a_problem(out: Path) -> None:
    path = shards_of(out)[0]
    path.unlink()
    path.mkdir()
    found = verify(out).problems
    assert [problem.shard for problem in found] == [0 if out.name == "folder" else 1]
    assert "cannot be read: Is a directory" in found[0].what
    path.rmdir()
    path.symlink_to("nowhere")
    assert "missing" in verify(out).problems[0].what
    repair(out, workers=1)
    assert not verify(out).problems
