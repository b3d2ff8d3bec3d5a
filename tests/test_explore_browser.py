"""The explorer in headless Chromium: what is dragged is redrawn, and what is shown is what the library draws."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fdsl
from explorer import explorer
from fdsl.evaluate.sheet import family_sheet

pytest.importorskip("gradio", reason="the explore extra is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
PATIENCE = 60_000
"""Milliseconds: a shared machine compiles and draws slowly."""

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser is installed: none of {', '.join(BROWSERS)}"
)

SHEET = "img[data-what=sheet]"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a server."""
    with explorer("RCDB", "VisualAtom") as at:
        yield at


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Yield the browser."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """Yield a page with the first sheet on it; whatever went wrong in it fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: _stays(asked.url, address, wrong))
    opened.goto(address)
    opened.wait_for_selector(SHEET)
    yield opened
    context.close()
    assert wrong == []


def _stays(url: str, address: str, wrong: list[str]) -> None:
    if not url.startswith((address, "data:", "blob:")):
        wrong.append(f"asked elsewhere: {url}")


def pixels(page: Any, selector: str = SHEET) -> np.ndarray:
    """Return the pixels of a picture on the page."""
    source = page.locator(selector).get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def until(page: Any, expected: Image.Image, selector: str = SHEET) -> None:
    """Wait until a picture on the page is `expected`."""
    wanted = np.asarray(expected)
    for _ in range(200):
        shown = page.locator(selector)
        before = shown.get_attribute("src")
        now = pixels(page, selector)
        if now.shape == wanted.shape and (now == wanted).all():
            return
        page.wait_for_function(
            "([what, old]) => { const one = document.querySelector(what); return one && one.src !== old; }",
            arg=[selector, before],
        )
    raise AssertionError("the picture never came")


def sheet(family: fdsl.formulas.Family | None = None, **where: Any) -> Image.Image:
    """Return the sheet that the page shows at first, or of a family."""
    return family_sheet(family or fdsl.RCDB(), 4, 6, size=96, **where)


def text_of(page: Any, code: str) -> str:
    """Return what a code box holds."""
    return "\n".join(page.locator(f"#{code} .cm-line").all_inner_texts())


def choose(page: Any, box: str, choice: str) -> None:
    """Choose from a list as a person does."""
    page.locator(f"#{box} input").click()
    page.get_by_role("option", name=choice, exact=True).click()


def test_load_drag_redraw(page):
    np.testing.assert_array_equal(pixels(page), sheet())
    handle = page.locator("#RCDB-vertices-1 input[type=range]")
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    until(page, sheet(fdsl.RCDB(vertices=(3, 195))))
    assert page.locator("#RCDB-vertices-1 input[type=number]").input_value() == "195"
    box = handle.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], middle)
    page.mouse.down()
    for step in range(20):  # far quicker than sheets are drawn
        page.mouse.move(box["x"] + (0.2 + 0.02 * step) * box["width"], middle)
    page.mouse.up()
    last = int(page.locator("#RCDB-vertices-1 input[type=number]").input_value())
    assert last > 400
    until(page, sheet(fdsl.RCDB(vertices=(3, last))))
    assert f"vertices=(3, {last})" in text_of(page, "python")
    assert f"vertices=[3,{last}]" in text_of(page, "command")


def test_another_family_brings_its_own_controls(page):
    choose(page, "family", "VisualAtom")
    until(page, sheet(fdsl.VisualAtom()))
    assert page.locator("#VisualAtom-variant").is_visible()
    assert not page.locator("#RCDB-vertices-1").is_visible()
    choose(page, "VisualAtom-variant", "script")
    until(page, sheet(fdsl.VisualAtom(variant="script")))
    page.get_by_text("About this family").click()
    assert "Takashima et al., CVPR 2023" in page.locator("#about").inner_text()


def test_zoom_by_a_click_and_augment_the_same_image(page):
    box = page.locator(SHEET).bounding_box()
    page.mouse.click(box["x"] + 3.5 / 6 * box["width"], box["y"] + 2.5 / 4 * box["height"])
    page.wait_for_selector("img[data-what=zoom]")
    one = family_sheet(fdsl.RCDB(), 1, 1, size=512, first_category=2, first_instance=3)
    np.testing.assert_array_equal(pixels(page, "img[data-what=zoom]"), one)
    assert f"vertices: {fdsl.RCDB().category(0, 2)['vertices']}" in page.locator(".fdsl-lines").inner_text()
    page.get_by_label("Augment", exact=True).click()
    page.wait_for_selector("img[data-what=augmented]")
    plain = family_sheet(fdsl.RCDB(), 1, 1, size=96, first_category=2, first_instance=3)
    np.testing.assert_array_equal(pixels(page, "img[data-what=image]"), plain)
    before = pixels(page, "img[data-what=augmented]")
    page.locator("#erasing input[type=range]").focus()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('#python').innerText.includes('random_erasing=1.0')")
    assert (pixels(page, "img[data-what=augmented]") != before).any()


def test_compare_two_parameter_sets(page):
    page.get_by_label("Compare", exact=True).click()
    page.wait_for_selector("img[data-what=b]")
    page.locator("#RCDB-noise-1 input[type=range]").focus()
    page.keyboard.press("End")
    until(page, sheet(fdsl.RCDB(noise=(0, 16))), "img[data-what=a]")
    np.testing.assert_array_equal(pixels(page, "img[data-what=b]"), sheet())
    page.locator("#copy").click()
    until(page, sheet(fdsl.RCDB(noise=(0, 16))), "img[data-what=b]")
    page.locator("#RCDB-noise-1 input[type=range]").focus()
    page.keyboard.press("Home")
    page.locator("#reset").click()
    until(page, sheet(), "img[data-what=b]")


def test_the_download_is_what_is_shown(page, tmp_path):
    with page.expect_download() as waiting:
        page.locator(".fdsl-download").click()
    assert waiting.value.suggested_filename == "RCDB-sheet-seed0.png"
    waiting.value.save_as(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as saved:
        np.testing.assert_array_equal(saved, pixels(page))
        assert saved.text["Comment"].startswith("fdsl preview RCDB --out RCDB-sheet-seed0.png")


def test_a_wrong_number_is_named_and_the_sheet_stays(page):
    before = pixels(page)
    page.locator("#seed input").fill("-5")
    page.wait_for_selector("#message .fdsl-error")
    assert page.locator("#message").inner_text().strip() == "seed must be in 0..4294967295, got -5"
    np.testing.assert_array_equal(pixels(page), before)
    page.locator("#seed input").fill("7")
    until(page, sheet(seed=7))
    assert page.locator("#message .fdsl-error").count() == 0
    typed = page.locator("#RCDB-vertices-1 input[type=number]")
    typed.fill("1000000")
    page.wait_for_selector("#message .fdsl-error")
    assert "vertices, most must be in 3..1000, got 1000000" in page.locator("#message").inner_text()
    np.testing.assert_array_equal(pixels(page), sheet(seed=7))
    typed.press("Tab")
    until(page, sheet(fdsl.RCDB(vertices=(3, 1000)), seed=7))
    assert page.locator("#message .fdsl-error").count() == 0


def test_a_reload_in_the_middle_of_a_drag_begins_anew(page):
    handle = page.locator("#RCDB-strokes-1 input[type=range]")
    for _ in range(3):
        handle.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        page.reload()
    page.wait_for_selector(SHEET)
    until(page, sheet())
    assert page.locator("#RCDB-strokes-1 input[type=number]").input_value() == "200"


@pytest.mark.parametrize("view", ["Sheet", "Zoom", "Compare", "Augment"])
def test_a_phone_has_nothing_beside_the_page(page, view):
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_label(view, exact=True).click()
    page.wait_for_selector(
        {"Sheet": SHEET, "Compare": "img[data-what=b]"}.get(view, f"img[data-what^={view[:4].lower()}]")
    )
    width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner == 390
    page.locator("#seed").scroll_into_view_if_needed()
    assert page.locator("#family").bounding_box()["y"] < 0, "the controls have not moved"
    picture, control = (
        page.locator(".fdsl-picture").first.bounding_box(), page.locator("#seed").bounding_box(),
    )  # fmt: skip
    assert 0 <= picture["y"] < control["y"], "the picture went out of sight"
    assert picture["x"] + picture["width"] <= 390


def test_on_a_wide_page_the_sheet_stays_beside_the_last_control(page):
    page.set_viewport_size({"width": 1280, "height": 700})
    page.locator("#seed").scroll_into_view_if_needed()
    assert page.locator("#family").bounding_box()["y"] < 0, "the controls have not moved"
    assert page.locator(SHEET).bounding_box()["y"] >= 0
    page.locator("#command").scroll_into_view_if_needed()  # what is below it is reached all the same
    code, seed = page.locator("#code").bounding_box(), page.locator("#seed").bounding_box()
    assert code["x"] > seed["x"] + seed["width"]
    assert page.locator(SHEET).bounding_box()["y"] < code["y"]


def test_dark_is_dark(chromium, address):
    context = chromium.new_context(color_scheme="dark")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(SHEET)
    red, green, blue = json.loads(
        page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
        .replace("rgb(", "[").replace(")", "]")
    )  # fmt: skip
    assert max(red, green, blue) < 64
    context.close()
