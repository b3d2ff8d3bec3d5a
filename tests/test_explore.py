"""The explorer without a browser: controls within their bounds, code that makes what is shown, bad requests."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fdsl
from explorer import explorer
from fdsl.cli import main
from fdsl.errors import InputError
from fdsl.evaluate.sheet import family_sheet
from fdsl.explore.config import ExploreConfig
from fdsl.explore.drawing import Strengths, draw_sheet, encode
from fdsl.explore.parameters import controls, default_classes, is_searched, most_classes, options_of
from fdsl.explore.scene import MOST_PIXELS, Scene, alteration
from fdsl.explore.snippets import sheet_command, sheet_python
from fdsl.explore.views import VIEWS, names, scene_of, show

FAMILIES = sorted(fdsl.families())
SMALL = {"categories": 2, "instances": 3, "size": 32}


def state(family: str = "RCDB", **changes: object) -> dict[str, object]:
    """Return the values of all controls as the page has them at first, small, with some changed."""
    values: dict[str, object] = {
        "family": family, "view": "Sheet", "seed": 0, "lines": "auto", "alter": "none", "strength": 1, **SMALL,
        "first_category": 0, "first_instance": 0, "category": 0, "instance": 0, "zoom_size": 64, "other": "",
        "crop": 0.3, "hflip": 0.5, "vflip": 0.0, "layers": 2, "magnitude": 9, "erasing": 0.25,
    }  # fmt: skip
    for cls in fdsl.families().values():
        for name, control in names(cls).items():
            values[name] = default_classes(cls) if control is None else control.default
    return values | {name.replace("__", "."): value for name, value in changes.items()}


def pictures(html: str) -> list[Image.Image]:
    """Return the pictures in what the page shows."""
    files = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(file))) for file in files]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_field_has_a_control_whose_default_is_the_published(name):
    cls = fdsl.families()[name]
    fields = {control.field for control in controls(cls)}
    assert fields == {field.name for field in dataclasses.fields(cls)} - {"classes", "files"}
    assert options_of(cls, scene_of(state(name)).options) == {}
    assert scene_of(state(name)).formula == cls(classes=default_classes(cls))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_ends_of_every_control_are_what_the_family_takes(name):
    cls = fdsl.families()[name]
    ends = {control.field: [] for control in controls(cls)}
    for control in controls(cls):
        ends[control.field].append(control)
    for field, group in ends.items():
        span = group[0].span
        if span is None:
            assert group[0].choices == cls.variants
            continue
        for value in (span.low, span.high):
            own = (
                {"largest": 1.0} if field == "smallest" else {"smallest": 0.05} if field == "largest" else {}
            )
            cls.build(classes=2, **own, **{field: value if group[0].end is None else (value, value)})
        step = 1 if span.whole else 0.001
        for beyond in (span.low - step, span.high + step):
            with pytest.raises(InputError, match=field):
                options_of(cls, {field: beyond if group[0].end is None else (beyond, beyond)})
    cls.build(classes=most_classes(cls))
    with pytest.raises(InputError, match="classes"):
        Scene(family=name, classes=most_classes(cls) + 1)


@pytest.mark.parametrize("name", [name for name in FAMILIES if not is_searched(fdsl.families()[name])])
def test_a_control_at_its_end_draws(name):
    for control in controls(fdsl.families()[name]):
        if control.span is not None and control.field not in ("smallest", "largest") and control.end != 0:
            value = (control.default, control.span.high) if control.end else control.span.high
            scene = Scene(family=name, options={control.field: value}, categories=1, instances=1, size=32)
            assert draw_sheet(scene).shape[:2] == (36, 36)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_sheet_is_that_of_the_library(name):
    shown = show(state(name, first_category=1, first_instance=5, seed=0))
    (picture,) = pictures(shown.html)
    family = fdsl.families()[name](classes=default_classes(fdsl.families()[name]))
    sheet = family_sheet(family, 2, 3, size=32, first_category=1, first_instance=5)
    assert picture.mode == sheet.mode
    np.testing.assert_array_equal(picture, sheet)
    assert picture.text["Comment"] == shown.command


CASES = {
    "ranges": state("RCDB", RCDB__vertices__1=40, RCDB__ovals__0=0.5, RCDB__variant="paper", RCDB__classes=9),
    "real": state(
        "MultiFractal", MultiFractal__blurred=1, MultiFractal__largest=0.3, MultiFractal__classes=1000
    ),
    "words": state("Contractive", Contractive__variant="point_gray", seed=7, lines="crisp", first_instance=4),
    "altered": state("VisualAtom", alter="broken", strength=30, first_category=3),
    "alone": state("SegRCDB", view="Zoom", category=253, instance=9, SegRCDB__contours=3),
    "augmented": state("SegRCDB", view="Augment", category=253, instance=2, seed=5),
    "two": state(
        "RCDB", view="Compare", RCDB__noise__1=9, other=Scene(family="VisualAtom", seed=3).to_json()
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_python_and_the_command_make_what_is_shown(case, tmp_path, monkeypatch):
    shown = show(CASES[case])
    expected = pictures(shown.html)[-1 if case == "augmented" else 0 :]
    exec(compile(shown.python, "shown", "exec"), {})
    written = sorted(tmp_path.glob("*.png"), key=lambda file: "-b-" in file.name)
    assert [np.asarray(Image.open(file)).tolist() for file in written] == [
        np.asarray(picture).tolist() for picture in expected
    ]
    (again := tmp_path / "again").mkdir()
    monkeypatch.chdir(again)
    for line in shown.command.replace("\\\n", " ").splitlines():
        if case != "augmented":
            assert main(shlex.split(line)[1:]) == 0
            name = shlex.split(line)[4]
            assert (np.asarray(Image.open(name)) == np.asarray(Image.open(tmp_path / name))).all()
    assert shown.command.startswith("#" if case == "augmented" else "fdsl preview ")


def test_one_image_is_the_sheet_s_and_comes_with_its_parameters():
    zoom = show(state(view="Zoom", category=1, instance=2, zoom_size=32))
    sheet = np.asarray(pictures(show(state()).html)[0])
    np.testing.assert_array_equal(np.asarray(pictures(zoom.html)[0])[2:34, 2:34], sheet[36:68, 70:102])
    vertices = fdsl.RCDB().category(0, 1)["vertices"]
    assert f"vertices: {vertices}\n" in zoom.html


def test_without_strength_augmentation_changes_nothing():
    none = {"crop": 1, "hflip": 0, "vflip": 0, "layers": 0, "erasing": 0}
    plain, many = pictures(show(state(view="Augment", category=3, instance=1, **none)).html)
    for column in range(3):
        cell = np.asarray(many)[2:34, 2 + 34 * column : 34 + 34 * column]
        np.testing.assert_array_equal(cell, np.asarray(plain)[2:34, 2:34])
    both = pictures(show(state(view="Augment", category=3, instance=1)).html)[1]
    assert (np.asarray(both) != np.asarray(many)).any()


def test_b_is_kept_and_has_a_s_place():
    kept = scene_of(state("Contractive", seed=4)).to_json()
    first, second = pictures(show(state("RCDB", view="Compare", other=kept, first_category=2)).html)
    np.testing.assert_array_equal(first, family_sheet(fdsl.RCDB(), 2, 3, size=32, first_category=2))
    np.testing.assert_array_equal(
        second, family_sheet(fdsl.Contractive(), 2, 3, size=32, seed=4, first_category=2)
    )
    assert Scene.from_json(kept) == scene_of(state("Contractive", seed=4))


WRONG = [
    ({"family": "RCDX"}, r"family must be one of .*did you mean 'RCDB'"),
    ({"family": "../../etc/passwd"}, "family must be one of"),
    ({"family": ["RCDB"]}, "family must be one of"),
    ({"family": None}, "family must be one of"),
    ({"view": "Files"}, "view must be one of Sheet, Zoom, Compare, Augment"),
    ({"size": 10**9}, r"size must be in 32..1024, got 1000000000"),
    ({"size": 1024}, rf"size must be at most 418 with 2 x 3 images, got 1024: .* {MOST_PIXELS:,} pixels"),
    ({"size": "96"}, "size must be an integer"),
    ({"size": 96.5}, "size must be an integer"),
    ({"size": True}, "size must be an integer"),
    ({"size": None}, "size must be an integer"),
    ({"size": float("nan")}, "size must be an integer"),
    ({"categories": -1}, r"categories must be in 1..8, got -1"),
    ({"instances": 10**400}, r"instances must be in 1..12"),
    ({"first_category": 999}, r"first_category must be in 0..998 to show 2 of 1000 categories, got 999"),
    ({"first_instance": -1}, "first_instance"),
    ({"seed": 2**32}, "seed must be in"),
    ({"seed": {"a": 1}}, "seed must be an integer"),
    ({"RCDB__classes": 10**7}, "classes must be in 2..1000000"),
    ({"RCDB__variant": "files"}, "variant must be one of released, paper"),
    ({"RCDB__vertices__0": 201}, "vertices must not begin above its end, got 201 and 200"),
    ({"RCDB__vertices__1": 10**6}, "vertices, most must be in 3..1000"),
    ({"RCDB__noise__1": "4; rm -rf /"}, "noise, most must be a finite number"),
    ({"RCDB__noise__1": float("inf")}, "noise, most must be a finite number"),
    ({"alter": "files", "strength": 1}, "alter must be one of none, broken"),
    ({"alter": "broken", "strength": 10**6}, "strength must be in 0..1000"),
    ({"alter": "outline", "strength": 0}, "width must be in 1..256"),
    ({"lines": "/etc"}, "lines must be one of"),
    ({"view": "Zoom", "category": 1000}, "category must be in 0..999"),
    ({"view": "Zoom", "zoom_size": 10**5}, "size must be in 32..1024"),
    ({"view": "Augment", "layers": 99}, "layers must be in 0..4"),
    ({"view": "Augment", "crop": 0}, "crop must be in"),
    ({"view": "Compare", "other": "{"}, "a parameter set must be JSON"),
    ({"view": "Compare", "other": "[" * 9_999}, "a parameter set must be JSON"),
    ({"view": "Compare", "other": "[1]"}, "must be a JSON object, got list"),
    ({"view": "Compare", "other": "x" * 10_001}, "at most 10000 characters"),
    (
        {"view": "Compare", "other": '{"options": {"files": "/etc"}}'},
        "field of RCDB must be one of .*'files'",
    ),
    ({"view": "Compare", "other": '{"options": "files=/etc"}'}, "options must be fields by name"),
    ({"view": "Compare", "other": '{"files": "/etc"}'}, "field of a parameter set must be one of"),
    ({"view": "Compare", "other": '{"alter": "broken=99999"}'}, "strength must be in 0..1000"),
    ({"view": "Compare", "other": '{"alter": 7}'}, "alter must be KIND=STRENGTH"),
    (
        {"view": "Compare", "other": json.dumps({"family": "OFDB3D", "classes": 10**6})},
        "classes must be in 2..100",
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_a_wrong_value_draws_nothing_and_is_named(changes, message, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr("fdsl.explore.drawing.Renderer", never)
    monkeypatch.setattr("pathlib.Path.iterdir", never)
    with pytest.raises(InputError, match=message):
        show(state(**changes))


def test_alterations_and_strengths_are_checked_by_themselves():
    assert alteration("none", "anything") == "none"
    assert alteration("broken", 20) == "broken=20"
    with pytest.raises(InputError, match="erasing must be in"):
        Strengths(erasing=2)
    assert Strengths(layers=0, crop=1.0).fields()["auto_augment"] is None


def test_twenty_threads_at_once_search_once_and_draw_alike(monkeypatch):
    from fdsl.formulas import one_p_frac
    from fdsl.formulas.search import find

    searches = []

    def counted(*args):
        searches.append(args)
        return find(*args)

    monkeypatch.setattr(one_p_frac, "find", counted)
    scene = Scene(family="OnePFrac", seed=11, classes=2, **SMALL, options={"points": 1000})
    with ThreadPoolExecutor(20) as pool:
        sheets = list(pool.map(lambda _: draw_sheet(scene), range(20)))
    assert len(searches) == 1
    assert all((sheet == sheets[0]).all() for sheet in sheets)
    assert sheets[0].max() == 255 or len(np.unique(sheets[0])) > 2


def test_only_published_searches_are_kept_on_disk(tmp_path, monkeypatch):
    from fdsl.formulas import search

    monkeypatch.setenv("FDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(search, "_found", {})
    one = {"family": "OnePFrac", "classes": 2, "categories": 1, "instances": 1, "size": 32}
    for scene in (Scene(**one, seed=23), Scene(**one, options={"sigma": 5.0})):
        draw_sheet(scene)
        assert not (tmp_path / "cache").exists()
    draw_sheet(Scene(**one, options={"points": 1000}))
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_file_says_how_it_is_made():
    scene = Scene(**SMALL)
    file = encode(draw_sheet(scene), sheet_command(scene, "a.png"))
    with Image.open(io.BytesIO(file)) as picture:
        picture.verify()
    with Image.open(io.BytesIO(file)) as picture:
        picture.load()
        assert picture.text == {"Comment": sheet_command(scene, "a.png")}
    assert "family_sheet(family, 2, 3, size=32)" in sheet_python(scene, "a.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "port must be in 0..65535, got 70000"),
        (["--port", "x"], "port"),
        (["--threads", "0"], "threads must be in 1..1024, got 0"),
        (["--host", "http://a"], "host must be an address"),
        (["--prot", "1"], "--prot"),
    ],
)
def test_wrong_options(arguments, message, capsys):
    assert main(["explore", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_extra_is_named(monkeypatch, capsys):
    from fdsl.cli import extras

    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    assert main(["explore"]) == 2
    assert 'pip install "fdsl[explore]"' in capsys.readouterr().err


def test_views_are_four():
    assert list(VIEWS) == ["Sheet", "Zoom", "Compare", "Augment"]
    assert ExploreConfig().host == "127.0.0.1"


class TestServer:
    """The server itself, over HTTP."""

    def test_a_taken_port_is_one_line_and_exit_code_2(self, capsys):
        pytest.importorskip("gradio")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert main(["explore", "--port", str(port)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(
            f"error: port must be free, got {port} on 127.0.0.1: address already in use; try"
        )
        assert error.count("\n") == 1

    def test_a_host_that_is_elsewhere(self, capsys):
        pytest.importorskip("gradio")
        assert main(["explore", "--host", "192.0.2.1", "--port", "0"]) == 2
        assert "192.0.2.1" in capsys.readouterr().err


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Yield the address of a server, and how to ask it to draw: controls by name in, what the page gets out."""
    pytest.importorskip("gradio")
    httpx = pytest.importorskip("httpx")
    with explorer("RCDB") as address, httpx.Client(timeout=120) as client:
        config = client.get(f"{address}config").json()
        drawing = next(one for one in config["dependencies"] if one["api_name"] == "draw")
        ids = {
            one["id"]: one["props"]["elem_id"] for one in config["components"] if "elem_id" in one["props"]
        }
        order = [ids[number] for number in drawing["inputs"]]

        def draw(values, way="run/predict"):
            given = {name.replace(".", "-"): value for name, value in values.items()}
            body = {
                "data": [given[name] for name in order],
                "fn_index": drawing["id"],
                "session_hash": "test",
            }
            return client.post(f"{address}gradio_api/{way}", content=json.dumps(body), headers=JSON)

        yield address, client, draw


JSON = {"content-type": "application/json"}


def is_left_alone(output):
    """Whether an output of the page stays what it is."""
    return output.get("props", output) == {"__type__": "update"}


class TestRequests:
    """What requests that go around the page get."""

    def test_the_page_s_own_request(self, server):
        _, _, draw = server
        html, message, python, command = draw(state()).json()["data"]
        np.testing.assert_array_equal(pictures(html)[0], family_sheet(fdsl.RCDB(), 2, 3, size=32))
        assert message == ""
        assert python == show(state()).python.strip()
        assert command == show(state()).command

    @pytest.mark.parametrize("way", ["run/predict", "run/draw"])
    @pytest.mark.parametrize(("changes", "message"), WRONG[::3])
    def test_a_wrong_value_is_a_message_and_nothing_drawn(self, server, changes, message, way):
        _, _, draw = server
        answer = draw(state(**changes), way)
        html, said, *code = answer.json()["data"]
        assert all(is_left_alone(one) for one in (html, *code))
        text = re.sub("<.*?>", "", said).replace("&#x27;", "'").replace("&quot;", '"')
        assert re.search(message, text)
        assert 'role="alert"' in said

    def test_what_is_sent_back_is_no_html(self, server):
        _, _, draw = server
        said = draw(state(family="<img src=x onerror=alert(1)>" * 99)).json()["data"][1]
        assert "<img" not in said
        assert len(said) < 2000

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"data": []}', '{"data": [1], "fn_index": 99999}'])
    def test_requests_that_are_none(self, server, content):
        address, client, _ = server
        answer = client.post(f"{address}gradio_api/run/predict", content=content, headers=JSON)
        assert 400 <= answer.status_code < 500
        assert "png" not in answer.text

    def test_what_is_longer_than_any_request_of_the_page_is_refused(self, server):
        address, client, _ = server
        for content in (b"x" * 200_000, iter([b"{}"])):  # the other says no length at all
            assert (
                client.post(f"{address}gradio_api/run/predict", content=content, headers=JSON).status_code
                == 413
            )

    def test_twenty_at_once_all_get_their_own(self, server):
        _, _, draw = server
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda seed: draw(state(seed=seed)), range(20)))
        for seed, answer in enumerate(answers):
            (picture,) = pictures(answer.json()["data"][0])
            np.testing.assert_array_equal(picture, family_sheet(fdsl.RCDB(), 2, 3, size=32, seed=seed))

    @pytest.mark.parametrize(
        "path",
        [
            "gradio_api/file=/etc/passwd", "gradio_api/file/etc/passwd", "file=/etc/passwd", "gradio_api/upload",
            "gradio_api/proxy=http://127.0.0.1/", "gradio_api/deep_link", "gradio_api/runs", "monitoring", "pwa_icon",
            "assets/../../../../../../etc/passwd", "static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        ],
    )  # fmt: skip
    def test_nothing_but_the_page_is_served(self, server, path):
        address, client, _ = server
        for answer in (
            client.get(f"{address}{path}"),
            client.post(f"{address}{path}", files={"files": b"x"}),
        ):
            assert answer.status_code in (400, 403, 404, 405)
            assert "root:" not in answer.text

    def test_other_names_are_refused_and_browsers_are_told_to_stay(self, server):
        address, client, _ = server
        assert client.get(address, headers={"host": "evil.example"}).status_code == 400
        policy = client.get(address).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy


def test_the_command_serves_until_interrupted():
    pytest.importorskip("gradio")
    command = [sys.executable, "-m", "fdsl", "explore", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "compiling what draws RCDB ...\n"
        line = process.stdout.readline()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ is open; Ctrl-C closes it\n", line)
        from fdsl.explore.serving import free_port

        with pytest.raises(InputError, match=f"port must be free, got {found[1]}"):
            free_port("127.0.0.1", int(found[1]))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
        assert process.stderr.read() == "error: interrupted\n"
    assert free_port("127.0.0.1", int(found[1])) == int(found[1])


def test_previews_begin_where_they_are_told(tmp_path):
    out = Path("a.png")
    first = ["--first-category", "3", "--first-instance", "2"]
    assert main(["preview", "RCDB", "--out", str(out), "--categories", "1", "--instances", "1", *first]) == 0
    image = fdsl.Renderer(128)(fdsl.RCDB().table(0, [3], [2]))[0]
    np.testing.assert_array_equal(np.asarray(Image.open(out))[2:130, 2:130], image)
    assert main(["preview", "RCDB", "--first-category", "999"]) == 2
