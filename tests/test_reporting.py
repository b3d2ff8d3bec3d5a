"""The page of runs: their numbers, what may be compared, and what is wrong with a folder.

All runs here are fixtures: made-up numbers in folders of a real run's form.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shlex
import statistics
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from fdsl.cli.app import main
from fdsl.cli.parse import parse
from fdsl.errors import DataError, InputError
from fdsl.evaluate.compare import Trial, compare, verdict
from fdsl.evaluate.figures import curves, look
from fdsl.evaluate.figures.curves import MOST_POINTS, Line
from fdsl.evaluate.reporting import ReportConfig, report, seeing
from fdsl.evaluate.reporting.entries import distinct, read_entries
from fdsl.evaluate.reporting.judging import judge
from fdsl.evaluate.reporting.outcomes import section
from fdsl.evaluate.reporting.tables import by_class, commands, configs, summary
from fdsl.evaluate.reporting.writing import render
from fdsl.train.config import FinetuneConfig, PretrainConfig
from test_report import Page

NOW = "2026-01-02 03:04 UTC"
CLASSES = ("cat", "$dog 犬", "<b>bird</b>")
SCRATCH, PRETRAINED = (0.55, 0.61, 0.58), (0.71, 0.72, 0.78)
MODEL = {"architecture": "vit_tiny_patch16_224", "model_args": {"img_size": [32, 32], "depth": 4},
         "pretrained_cfg": {"input_size": [3, 32, 32]}, "num_classes": 3}  # fmt: skip


def write_table(path: Path, rows: list) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write_run(folder: Path, kind: str, config: dict, result: dict | None, columns: dict[str, list]) -> Path:
    """Write what a training leaves; without a `result` it has not finished."""
    folder.mkdir(parents=True)
    record = {"kind": kind, "config": config, "dataset": None, "versions": {"fdsl": "0.1.0"}, "earlier": [],
              "device": "cpu, 32-true", "started": "2026-01-01T00:00:00+00:00", "command": ["x", kind]}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "config.json").write_text(json.dumps(MODEL))
    write_table(folder / "metrics.csv", [list(columns), *zip(*columns.values(), strict=True)])
    return folder


def pretraining(folder: Path, *, accuracy: float | None = 0.4, rows: int = 12, **changed) -> Path:
    config = PretrainConfig(out=folder, classes=4, instances=8, size=32, samples=1200, threads=1, **changed)
    samples = [100 * n for n in range(1, rows + 1)]
    columns = {"step": samples, "samples": samples, "lr": [1e-3] * rows, "loss": [3 / n for n in samples],
               "accuracy": [n / 2000 for n in samples], "grad_norm": [1.5] * rows}  # fmt: skip
    result = None if accuracy is None else {"accuracy": accuracy, "seconds": 61.0, "target": "class"}
    return write_run(folder, "pretrain", config.to_json(), result, columns)


def tuning(folder: Path, accuracy: float | None, seed: int = 0, **changed) -> Path:
    fields = {
        "data": "digits",
        "labels": 20,
        "lr": 1e-3,
        "epochs": 4,
        "threads": 1,
        "test_limit": 30,
        **changed,
    }
    config = FinetuneConfig(out=folder, seed=seed, **fields)
    reached = accuracy or 0.5
    columns = {"epoch": [1, 2, 3, 4], "step": [1, 2, 3, 4], "train_loss": [2, 1.5, "nan", 1],
               "test_accuracy": ["", reached / 2, "", reached]}  # fmt: skip
    if accuracy is None:
        return write_run(folder, "finetune", config.to_json(), None, {k: v[:2] for k, v in columns.items()})
    per_class = dict(zip(CLASSES, (accuracy, accuracy / 2, 1.0), strict=True))
    result = {"accuracy": accuracy, "class_average_accuracy": accuracy - 0.1, "per_class": per_class,
              "labels": 20, "test_images": 30, "seconds": 10.0, "skipped": []}  # fmt: skip
    write_run(folder, "finetune", config.to_json(), result, columns)
    write_table(folder / "confusion.csv", [("label", *CLASSES), *[(name, 5, 3, 2) for name in CLASSES]])
    head = (
        "index",
        "image",
        "label",
        "label_name",
        "answer",
        "answer_name",
        "confidence",
        "label_confidence",
    )
    write_table(folder / "predictions.csv", [head, (0, "a", 0, "cat", 0, "cat", 0.9, 0.9),
                                             (1, "b", 1, "dog", 0, "cat", 0.6, 0.1)])  # fmt: skip
    return folder


def of_seeds(folder: Path, accuracies: tuple[float, ...], **changed) -> Path:
    """Write fine-tunings over seeds, as `fdsl finetune --seeds` leaves them."""
    for seed, accuracy in enumerate(accuracies):
        tuning(folder / f"seed-{seed}", accuracy, seed, **changed)
    first = json.loads((folder / "seed-0" / "run.json").read_text())
    whole = {**first["config"], "out": str(folder), "seeds": list(range(len(accuracies)))}
    (folder / "run.json").write_text(json.dumps({**first, "config": whole}))
    (folder / "result.json").write_text(json.dumps({"accuracy": statistics.fmean(accuracies)}))
    (folder / "metrics.csv").write_text("epoch\n1\n")
    return folder


def picture(path: Path) -> None:
    Image.fromarray(np.full((20, 30), 200, np.uint8)).save(path)


def outcome(folder: Path, content: dict, *pictures: str) -> Path:
    folder.mkdir()
    (folder / f"{content['what']}.json").write_text(json.dumps(content))
    for name in pictures:
        picture(folder / f"{name}.png")
    return folder


SCORE = {"accuracy": 0.612, "deviation": 0.02, "interval": [0.59, 0.63], "class_average": 0.6,
         "per_class": {}, "calibration_error": 0.05}  # fmt: skip
PROBE = {"what": "probe", "weights": None, "data": "digits", "classes": ["a"], "seeds": [0, 1], "labels": 20,
         "test_images": 30, "features": 128, "linear": SCORE, "knn": {**SCORE, "accuracy": 0.455},
         "robustness": {"plain": {"linear": 0.61, "knn": 0.45}, "edges": {"linear": 0.33, "knn": 0.2}},
         "shape_bias": 0.271, "shape_bias_interval": [0.2, 0.34], "command": "fdsl probe w --labels 20"}  # fmt: skip
SHARE = {"mean": 0.313, "deviation": 0.02}
ATTENTION = {"what": "attention", "family": "RCDB", "data": None, "images": 4, "measured": 256, "area_share": SHARE,
             "models": [{"name": "untrained", "weights": None, "method": "rollout", "contour_share": SHARE,
                         "lift": {"mean": 1.44, "deviation": 0.1},
                         "control": {"mean": 1.05, "deviation": None}}]}  # fmt: skip
INSPECT = {"what": "inspect", "family": "RCDB", "classes": 100, "options": [], "compactness": 0.1234,
           "fill": {"mean": 0.07}, "near_duplicates": [[1, 2]],
         "warnings": ["categories 1 & 2 look alike"]}  # fmt: skip


def stand_in(config) -> None:
    """Write what `attend` writes."""
    config.out.mkdir()
    models = [{**ATTENTION["models"][0], "name": path.name, "weights": str(path)} for path in config.weights]
    (config.out / "attention.json").write_text(json.dumps({**ATTENTION, "models": models}))
    for name in ("attention", "heads-a"):
        picture(config.out / f"{name}.png")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, tuple[Path, ...]]:
    """Return a folder, and the RUNs in it of every kind."""
    folder = tmp_path_factory.mktemp("runs")
    drawn = pretraining(folder / "pre" / "rcdb")
    runs = (
        drawn,
        pretraining(folder / "unfinished", accuracy=None, seed=1, rows=1),
        of_seeds(folder / "ft" / "scratch", SCRATCH),
        of_seeds(folder / "ft" / "rcdb", PRETRAINED, weights=drawn),
        tuning(folder / "<img src=x onerror=1> & Ω", None, data="nowhere/<i>"),
        outcome(folder / "probed", PROBE, "confusion", "shape"),
        outcome(folder / "attended", ATTENTION, "attention", "heads-a"),
        outcome(folder / "inspected", INSPECT, "inspect"),
    )
    return folder, runs


@pytest.fixture(scope="module")
def html(made) -> str:
    return render(ReportConfig(runs=made[1], attention=False), NOW)


def text_of(html: str) -> str:
    page = Page()
    page.feed(html)
    page.close()
    return " ".join(" ".join(page.text).split())


def test_page_stands_alone_and_is_well_formed(html):
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert [one for one in page.addresses if not one.startswith(("data:image/png;base64,", "#"))] == []
    assert not re.search(r"@import|url\((?!#)|<script|<link|onerror=1>", html)
    assert len(set(page.ids)) == len(page.ids)
    inner = {one[1:] for one in page.addresses if one.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", html)
    )
    assert inner <= set(page.ids)


def test_every_run_is_named_and_escaped(html):
    text = text_of(html)
    for name in ("pre/rcdb", "unfinished", "scratch", "ft/rcdb", "probed", "attended", "inspected"):
        assert name in text
    assert "&lt;img src=x onerror=1&gt; &amp; Ω" in html
    assert "<img src=x" not in html
    assert "<i>" not in html
    assert "<b>bird" not in html


def test_numbers_are_those_of_the_results(html):
    text = text_of(html).replace("\N{NO-BREAK SPACE}", " ")
    for shares in (SCRATCH, PRETRAINED):
        mean, deviation = 100 * statistics.fmean(shares), 100 * statistics.stdev(shares)
        assert f"{mean:.1f} ± {deviation:.1f}% (n = 3)" in text
        assert f"{mean - 10:.1f} ± {deviation:.1f}%" in text
    assert "40.0% of held-out drawings" in text
    assert "unfinished: 100 of 1200 samples" in text
    assert "unfinished: 2 of 4 epochs" in text
    assert "61.2 ± 2.0%" in text
    assert "Shape bias 0.27 (95% interval 0.20 to 0.34)" in text
    assert "fdsl probe w --labels 20" in text
    assert "31.3 ± 2.0%" in text
    assert "1.44 ± 0.10" in text
    assert "categories 1 & 2 look alike" in text
    assert "Left out: rows without a finite loss, of scratch, ft/rcdb" in text


def test_comparison_is_that_of_compare(html):
    arms = (("scratch", SCRATCH), ("pretrained", PRETRAINED))
    trials = [
        Trial(arm=arm, lr=1e-3, seed=seed, accuracy=share)
        for arm, shares in arms
        for seed, share in enumerate(shares)
    ]
    expected = verdict(compare(trials), what="Starting from pre/rcdb")
    assert expected.startswith("Starting from pre/rcdb helped: 73.7% against 58.0% from scratch")
    assert expected in text_of(html)


def test_data_that_are_gone_are_said_in_a_line(html):
    assert "The images cannot be opened any more: data must be" in text_of(html)


def test_page_is_the_same_but_for_its_date(made, html, tmp_path):
    again = render(ReportConfig(runs=made[1], attention=False), "another day")
    assert again.replace("another day", NOW) == html
    out = report(
        ReportConfig(runs=made[1][-2:], attention=False, out=tmp_path / "new" / "page.html", title="<T>")
    )
    assert "<h1>&lt;T&gt;</h1>" in out.read_text()


def test_pictures_are_of_what_was_trained_on(made):
    import fdsl
    from fdsl.evaluate.sheet import contact_sheet

    entries = read_entries(made[1][:1])
    [seen] = seeing.drawn(entries)
    whole, samples = seen.pictures
    dataset = fdsl.FormulaDataset(fdsl.RCDB(classes=4), instances=8, size=96)
    np.testing.assert_array_equal(np.asarray(whole.image), np.asarray(contact_sheet(dataset, 4, 8)))
    assert "32" in whole.caption
    loader = fdsl.Loader(fdsl.FormulaDataset(fdsl.RCDB(classes=4), instances=8, size=32), 20)
    first = loader.batch(0)[0][0, 0].numpy() * loader.standardize.std[0] + loader.standardize.mean[0]
    np.testing.assert_allclose(np.asarray(samples.image)[2:34, 2:34], 255 * first, atol=0.6)


def test_trainings_that_saw_the_same_are_drawn_once(tmp_path):
    runs = [
        pretraining(tmp_path / "a"),
        pretraining(tmp_path / "b", lr=0.1),
        pretraining(tmp_path / "c", seed=1),
    ]
    assert [seen.names for seen in seeing.drawn(read_entries(runs))] == ["a, b", "c"]


def test_attention_is_drawn_of_weights(made, monkeypatch, tmp_path):
    module = ModuleType("attending")
    seen = []

    def attend(config):
        seen.append(config.weights)
        if len(seen) == 1:
            raise InputError("data must be there")
        stand_in(config)

    module.attend = attend
    monkeypatch.setitem(sys.modules, "fdsl.evaluate.attention.attending", module)
    first, tuned = made[1][0], made[1][2]
    for run in (first, tuned / "seed-0"):
        (run / "model.safetensors").write_bytes(b"")
    try:
        entries = read_entries((first, tuned))
        section, lines = seeing.attended(entries)
    finally:
        for run in (first, tuned / "seed-0"):
            (run / "model.safetensors").unlink()
    # without the real images the pre-trainings are looked at alone
    assert seen == [(first, tuned / "seed-0"), (first,)]
    assert [line.split(" could")[0] for line in lines] == ["Attention of rcdb, scratch"]
    assert section.tables[0].rows[0][:2] == ["rcdb", "rcdb"]
    assert (len(section.pictures), len(section.further)) == (1, 1)


def test_fine_tunings_that_differ_in_more_are_not_compared(tmp_path):
    runs = [of_seeds(tmp_path / "a", SCRATCH), of_seeds(tmp_path / "b", PRETRAINED, weights="w", labels=30)]
    judgement = judge(read_entries(runs))
    assert judgement.judged == ()
    assert judgement.refused == (
        "Between these groups more than the weights differs (labels), so nothing is claimed: a; b.",
    )


@pytest.mark.parametrize(
    ("changed", "shares", "reason"),
    [
        (
            {"lr": 0.1},
            SCRATCH,
            "other seeds or learning rates (seeds 0 1 2 at 0.1 against seeds 0 1 2 at 0.001)",
        ),
        ({}, SCRATCH[:2], "other seeds or learning rates (seeds 0 1 at 0.001 against seeds 0 1 2 at 0.001)"),
    ],
)
def test_unequal_effort_is_not_compared(tmp_path, changed, shares, reason):
    runs = [of_seeds(tmp_path / "a", SCRATCH), of_seeds(tmp_path / "b", shares, weights="w", **changed)]
    judgement = judge(read_entries(runs))
    assert judgement.judged == ()
    assert judgement.refused == (f"b against a: {reason}, so nothing is claimed",)


def test_seeds_given_one_by_one_are_one_row(tmp_path):
    runs = [tuning(tmp_path / f"{arm}-{seed}", share, seed, weights="w" if arm == "b" else None)
            for arm, shares in (("a", SCRATCH), ("b", PRETRAINED)) for seed, share in enumerate(shares)]  # fmt: skip
    entries = read_entries(runs)
    assert [row.folders for row in summary(entries)] == [("a-0", "a-1", "a-2"), ("b-0", "b-1", "b-2")]
    assert judge(entries).judged[0].comparison.gains == pytest.approx((16, 11, 20))


def test_all_rates_are_compared_at_their_best(tmp_path):
    runs = [of_seeds(tmp_path / f"{arm}{lr}", tuple(share - lr for share in shares), lr=lr, weights=weights)
            for arm, shares, weights in (("a", SCRATCH, None), ("b", PRETRAINED, "w"))
            for lr in (0.001, 0.01)]  # fmt: skip
    [judged] = judge(read_entries(runs)).judged
    assert [cell.lr for cell in judged.comparison.scratch] == [0.001, 0.01]
    assert judged.comparison.best_pretrained.mean == pytest.approx(
        100 * (statistics.fmean(PRETRAINED) - 0.001)
    )


def test_config_shows_what_differs_first(tmp_path):
    runs = [
        tuning(tmp_path / name, 0.5, lr=lr, epochs=4) for name, lr in (("a", 0.1), ("b", 0.1), ("c", 0.2))
    ]
    [table] = configs(read_entries(runs))
    assert table.rows == [("lr", [("0.1", False), ("0.1", False), ("0.2", True)])]
    assert table.alike["epochs"] == "4"
    assert table.defaults["weight_decay"] == "0.05"
    wide = [tuning(tmp_path / f"run{n}", 0.5, lr=0.1 + n) for n in range(8)]
    [table] = configs(read_entries(wide))
    assert table.head == ["lr"]
    assert [name for name, _ in table.rows] == [f"run{n}" for n in range(8)]


def test_commands_repeat_the_runs(made):
    entries = read_entries(made[1][:4])
    for step, kind, one in zip(
        commands(entries), (PretrainConfig,) * 2 + (FinetuneConfig,) * 2, made[1], strict=False
    ):
        program, name, *arguments = shlex.split(step.command.replace("\\\n", " "))
        assert program == "fdsl"
        assert parse(kind, name, arguments) == kind.from_json(
            json.loads((one / "run.json").read_text())["config"]
        )


def test_very_many_classes_are_cut_to_the_ends(tmp_path):
    run = tuning(tmp_path / "a", 0.5)
    result = json.loads((run / "result.json").read_text())
    shares = {f"class {n}": n / 200 for n in range(200)}
    (run / "result.json").write_text(json.dumps({**result, "per_class": shares}))
    table = by_class(read_entries([run]).trainings)
    assert len(table.rows) == 60
    assert [table.rows[0][1], table.rows[-1][1]] == ["0.0", "99.5"]


def test_long_and_broken_curves_are_drawn():
    x = np.arange(20_000.0)
    lines = [Line(look=look(n), x=x, y=np.where(x % 7, x, np.nan)) for n in range(3)]
    lines.append(Line(look=look(3), x=np.array([5.0]), y=np.array([1.0])))
    lines.append(Line(look=look(4), x=np.zeros(0), y=np.zeros(0), final=3.0))
    svg = curves("many", "Many", lines, x_label="x")
    assert len(svg) < 3 * 30 * MOST_POINTS
    assert "nan" not in svg
    assert all(f"var(--series-{n})" in svg for n in range(4))


def test_looks_stay_apart():
    assert len({(one.color, one.dash) for one in map(look, range(24))}) == 24


def test_names_tell_folders_apart(tmp_path):
    folders = [tmp_path / name for name in ("a/x", "b/x", "c/y", "a/z/x")]
    assert distinct(folders) == ["a/x", "b/x", "y", "z/x"]
    assert distinct([Path("new\nline\x1b"), Path("byte\udcff")]) == ["new�line�", "byte�"]


def test_attention_that_has_no_number_is_a_dash(tmp_path):
    """As of Grad-CAM where nothing speaks for the class."""
    nothing = {"mean": None, "deviation": None}
    [model] = ATTENTION["models"]
    models = [{**model, "contour_share": nothing, "lift": nothing}]
    entries = read_entries([outcome(tmp_path / "a", {**ATTENTION, "models": models})])
    assert section(entries.outcomes[0], entries).tables[0].rows[0][3:] == ["—", "—", "1.05"]


def damage(name: str, content: str | None, folder: Path) -> Path:
    run = tuning(folder / "run", 0.5)
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    return run


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "{", r"run\.json cannot be read"),
        ("run.json", '{"config": {}}', r"run\.json must be of a pretrain or finetune run, got kind None"),
        ("result.json", "[]", r"result\.json must hold a JSON object"),
        ("result.json", '{"accuracy": "x"}', r"result\.json must hold a number accuracy"),
        ("result.json", '{"accuracy": NaN}', r"result\.json must hold accuracy in 0\.\.1"),
        ("metrics.csv", "a,b\n1\n", r"metrics\.csv must have 2 columns"),
        ("confusion.csv", "label,a\na,x\n", r"confusion\.csv must hold counts"),
        ("predictions.csv", "label\n1\n", r"predictions\.csv must hold answers"),
        ("config.json", "{}", r"config\.json must describe a timm model"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    run = damage(name, content, tmp_path)
    with pytest.raises(DataError, match=message):
        render(ReportConfig(runs=(run,), attention=False), NOW)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("run.json", {"config": {"data": "digits", "seed": 0}}, r"run\.json must hold the lr"),
        ("run.json", {"config": {"data": "digits", "seed": "x", "lr": 1}}, "as seed, got 'x'"),
        ("run.json", {"versions": [1]}, r"run\.json must hold an object as versions, got \[1\]"),
        ("run.json", {"earlier": ["x"]}, r"run\.json must hold a list of sessions as earlier"),
        ("result.json", {"seconds": "soon"}, r"result\.json must hold a number as seconds, got 'soon'"),
        ("result.json", {"labels": 1.5}, r"result\.json must hold a number of 0 or more as labels"),
        ("result.json", {"per_class": {"a": 2}}, r"in 0\.\.1 as per_class, got \{'a': 2\}"),
        ("result.json", {"per_class": {"a": float("nan")}}, r"in 0\.\.1 as per_class"),
    ],
)
def test_fields_of_another_form_are_named(tmp_path, name, changed, message):
    file = tuning(tmp_path / "run", 0.5) / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))
    with pytest.raises(DataError, match=message):
        read_entries([file.parent])


def test_brackets_without_end_are_damage(tmp_path):
    (tmp_path / "probe.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"probe\.json cannot be read"):
        read_entries([tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**PROBE, "what": "inspect"}, "must say what 'probe', got 'inspect'"),
        ({**PROBE, "linear": []}, "must be as fdsl probe writes it"),
        ({"what": "probe"}, "must be as fdsl probe writes it"),
        ({**PROBE, "linear": {**SCORE, "accuracy": float("nan")}}, "must be as fdsl probe writes it"),
        ({**PROBE, "knn": {**SCORE, "interval": [0.5]}}, "must be as fdsl probe writes it"),
    ],
)
def test_damaged_results_are_named(tmp_path, content, message):
    (tmp_path / "probe.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"probe\.json {message}"):
        render(ReportConfig(runs=(tmp_path,), attention=False), NOW)


def test_damaged_pictures_are_named(tmp_path):
    folder = outcome(tmp_path / "inspected", INSPECT)
    (folder / "inspect.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"inspect\.png must be a picture"):
        render(ReportConfig(runs=(folder,), attention=False), NOW)


def test_command_line_says_what_is_wrong_in_one_line(made, capsys, tmp_path):
    folder, runs = made
    (tmp_path / "empty").mkdir()
    cases = [
        ([], "runs"),
        ([str(tmp_path / "nowhere")], "it does not exist"),
        ([str(runs[0] / "run.json")], "it is a file"),
        ([str(tmp_path / "empty")], "it holds none\n"),
        ([str(folder / "ft")], f"did you mean {folder / 'ft' / 'rcdb'}, {folder / 'ft' / 'scratch'}?"),
        ([str(runs[0]), f"{runs[0]}/../rcdb"], "twice"),
        ([str(runs[2]), str(runs[2] / "seed-0")], "it is part of"),
        ([str(runs[0]), "--out", "report.txt"], "out must end in .html"),
        ([str(runs[0]), "--title", " "], "title must hold a word"),
    ]
    for arguments, message in cases:
        assert main(["report", *arguments]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not Path("report.html").exists()


def test_command_line_writes_the_page(made, capsys):
    assert main(["report", str(made[1][-1]), "--out", "page.html", "--no-attention"]) == 0
    assert capsys.readouterr().out == "page.html: 0.0 MB, a page by itself\n"
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_run_that_was_killed_while_it_wrote_is_shown(tmp_path):
    run = pretraining(tmp_path / "run", accuracy=None)
    with (run / "metrics.csv").open("a") as file:
        file.write("1300,13")
    [training] = read_entries([run]).trainings
    assert training.runs[0].metrics["samples"][-1] == 1200
    (run / "metrics.csv").unlink()
    assert "unfinished: 0 of 1200 samples" in text_of(render(ReportConfig(runs=(run,), attention=False), NOW))


def test_pictures_in_the_page_are_whole(html):
    found = re.findall(r"data:image/png;base64,([^\"]+)", html)
    assert len(found) > 8
    for one in found:
        Image.open(io.BytesIO(base64.b64decode(one))).load()
