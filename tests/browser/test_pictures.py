"""What a person does with pictures on the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import depthmap
from support import PHOTO
from web.conftest import WebServer

from .visits import Visit, differ

Visiting = Callable[..., Visit]
EXAMPLES = PHOTO.parent


@pytest.fixture(scope="module")
def depth() -> depthmap.Depth:
    """The depth of the picture, without the page."""
    return depthmap.estimate(PHOTO, model="Depthmap_Tiny")


def test_a_sample_is_one_click_away(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    one.page.click("#samples button >> nth=0")
    one.wait()
    assert one.text("#name").startswith("china.jpg 640 × 427")


def test_the_map_on_screen_is_the_one_that_the_server_writes(result: Visit, depth: depthmap.Depth) -> None:
    assert (result.pixels("#depth") == depth.colour()).mean() > 0.999


def test_another_colour_map_paints_the_same_depth_anew(result: Visit, depth: depthmap.Depth) -> None:
    result.tab("view")
    result.page.check("#maps input[value=viridis]", force=True)
    assert (result.pixels("#depth") == depth.colour("viridis")).mean() > 0.999
    result.page.check("#maps input[value=inferno]", force=True)


def test_the_slider_follows_mouse_and_keys(result: Visit) -> None:
    page, divider = result.page, result.page.locator("#divider")
    middle = result.shot("#frame")
    x, y = result.at(64, 200, (640, 427))
    page.mouse.move(*result.at(320, 200, (640, 427)))
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.up()
    assert divider.get_attribute("aria-valuenow") == "10"
    assert differ(result.shot("#frame"), middle) > 0.2
    divider.focus()
    page.keyboard.press("ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "15"
    page.keyboard.press("Home")
    assert divider.get_attribute("aria-valuenow") == "0"
    page.keyboard.press("Shift+ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "100"


def test_the_depth_under_the_cursor_is_that_of_the_pixel(result: Visit, depth: depthmap.Depth) -> None:
    for x, y in ((10, 10), (320, 300), (600, 420)):
        result.page.mouse.move(*result.at(x, y, (640, 427)))
        assert result.text("#under").endswith(f"at {x}, {y}")
        shown = float(result.text("#under b").replace("−", "-"))
        assert shown == pytest.approx(float(depth.values[y, x]), rel=0.01)
    result.page.mouse.move(2, 2)


def test_the_legend_has_the_range_of_the_colours(result: Visit, depth: depthmap.Depth) -> None:
    from depthmap.ranges import shown_range

    ends = [float(text.replace("−", "-")) for text in result.page.locator("#ends span").all_text_contents()]
    low, high = shown_range(depth.values)
    assert ends == pytest.approx([low, (low + high) / 2, high], rel=0.01)


def test_3d_shows_the_surface_with_edges_cut_and_changes_when_turned(
    visit: Visiting, server: WebServer, depth: depthmap.Depth
) -> None:
    one = visit(server, motion="reduce")
    one.give(PHOTO)
    one.page.click("[data-view='3d']")
    one.page.wait_for_selector("#scene[data-count]")
    first = one.shot("#scene")
    assert first.std() > 20, "not blank"

    distances, _ = depth.distances()
    surface = depthmap.geometry.mesh(distances, depth.intrinsics, longest=512)
    assert int(one.page.get_attribute("#scene", "data-count") or 0) == pytest.approx(
        len(surface.faces), rel=0.005
    )

    box = one.page.locator("#scene").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    one.page.mouse.move(x, y)
    one.page.mouse.down()
    one.page.mouse.move(x + 120, y + 30, steps=4)
    one.page.mouse.up()
    turned = one.shot("#scene")
    assert differ(first, turned) > 0.1
    one.page.click("#reset")
    assert differ(first, one.shot("#scene")) < 0.01
    one.page.focus("#scene")
    one.page.keyboard.press("ArrowLeft")
    assert differ(first, one.shot("#scene")) > 0.05


def test_3d_has_points_paint_ratio_and_field_of_view(visit: Visiting, server: WebServer) -> None:
    one = visit(server, motion="reduce")
    one.give(PHOTO)
    one.page.keyboard.press("d")
    one.page.wait_for_selector("#scene[data-count]")
    one.page.focus("#scene")
    for _ in range(3):
        one.page.keyboard.press("ArrowLeft")
    seen = [one.shot("#scene")]
    for change in (
        lambda: one.page.click("[data-paint=depth]"),
        lambda: one.page.click("[data-form=points]"),
        lambda: one.page.fill("#ratio", "3"),
        lambda: one.page.fill("#fov", "90"),
    ):
        change()
        one.page.wait_for_timeout(200)
        seen.append(one.shot("#scene"))
        assert differ(seen[-2], seen[-1]) > 0.02, len(seen)


def test_the_view_can_be_saved_as_a_picture(visit: Visiting, server: WebServer) -> None:
    one = visit(server, motion="reduce")
    one.give(PHOTO)
    one.page.keyboard.press("d")
    one.page.wait_for_selector("#scene[data-count]")
    saved = one.download("#save-view")
    assert saved.suggested_filename == "china_view.png"
    picture = Image.open(saved.path())
    assert np.asarray(picture.convert("RGB")).std() > 20


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_3d_follows_the_mouse_but_not_where_motion_is_to_be_reduced(
    visit: Visiting, server: WebServer, motion: str
) -> None:
    one = visit(server, motion=motion)
    one.give(PHOTO)
    one.page.keyboard.press("d")
    one.page.wait_for_selector("#scene[data-count]")
    one.page.wait_for_timeout(300)
    first = one.shot("#scene")
    box = one.page.locator("#scene").bounding_box()
    assert box
    one.page.mouse.move(box["x"] + 5, box["y"] + 5)
    one.page.wait_for_timeout(1500)
    assert (differ(first, one.shot("#scene")) > 0.02) == (motion == "no-preference")


def test_two_known_distances_give_metres_and_then_distances_between_points(
    visit: Visiting, server: WebServer, depth: depthmap.Depth
) -> None:
    one = visit(server)
    one.give(PHOTO)
    one.tab("measure")
    assert one.page.is_disabled("#measure")
    for (x, y), metres in (((320, 400), "2"), ((320, 230), "15")):
        one.page.click("#mark")
        one.click_pixel(x, y, (640, 427))
        one.page.keyboard.type(metres)
        one.page.keyboard.press("Tab")
    one.until("document.querySelector('#calibration').textContent.startsWith('Metres')")

    metric = depth.calibrated({(320, 400): 2, (320, 230): 15})
    one.page.mouse.move(*one.at(100, 380, (640, 427)))
    shown = one.text("#under b")
    number, unit = shown.split()
    value = float(number) / (100 if unit == "cm" else 1)
    assert value == pytest.approx(float(metric.metres()[380, 100]), rel=0.01)

    one.page.click("#measure")
    for x in (200, 440):
        one.click_pixel(x, 390, (640, 427))
    number, unit = one.text("#pairs b").split()
    camera, z = metric.intrinsics, metric.metres()
    ends = [((x - camera.cx) / camera.fx * z[390, x], z[390, x]) for x in (200, 440)]
    expected = float(np.hypot(*np.subtract(*ends)))
    assert float(number) / (100 if unit == "cm" else 1) == pytest.approx(expected, rel=0.05)


def test_points_that_contradict_the_map_are_refused_in_the_servers_words(
    visit: Visiting, server: WebServer
) -> None:
    one = visit(server, refusals=True)
    one.give(PHOTO)
    one.tab("measure")
    for (x, y), metres in (((320, 400), "15"), ((320, 230), "2")):
        one.page.click("#mark")
        one.click_pixel(x, y, (640, 427))
        one.page.keyboard.type(metres)
        one.page.keyboard.press("Tab")
    one.page.wait_for_selector("#calibration.error")
    assert "contradict" in one.text("#calibration")
    assert one.page.is_disabled("#measure")


def test_several_pictures_are_done_one_after_another_and_survive_a_reload(
    visit: Visiting, server: WebServer
) -> None:
    one = visit(server)
    one.give(EXAMPLES / "coffee.png", PHOTO, EXAMPLES / "chelsea.png")
    one.until("document.querySelectorAll('.thumb[data-state=done]').length === 3")
    assert one.text("#name").startswith("coffee.png")
    one.page.keyboard.press("]")
    one.wait()
    assert one.text("#name").startswith("china.jpg")
    one.page.reload()
    one.page.wait_for_selector(".thumb >> nth=2")
    one.page.click(".thumb >> nth=2")
    one.wait()
    assert one.text("#name").startswith("chelsea.png 451 × 300")
    one.page.hover(".thumb >> nth=0")
    one.page.click(".strip .remove >> nth=0")
    assert one.page.locator(".thumb").count() == 2


def test_a_file_that_is_no_picture_is_refused_in_the_servers_words(
    visit: Visiting, server: WebServer, tmp_path: Path
) -> None:
    (tmp_path / "letter.png").write_text("Dear reader")
    one = visit(server, refusals=True)
    one.page.set_input_files("#file", str(tmp_path / "letter.png"))
    one.page.wait_for_selector("#cover .error")
    assert "picture" in one.text("#cover").lower()
    one.page.click("#cover [aria-label^=Remove]")
    assert one.page.is_visible("#empty")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_pictures_can_be_dropped_and_pasted(visit: Visiting, server: WebServer, event: str) -> None:
    one = visit(server)
    one.files_dropped(("cup.png", (EXAMPLES / "chelsea.png").read_bytes()), event=event)
    one.wait()
    assert one.text("#name").startswith("cup.png")


def test_the_camera_gives_a_picture(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    one.page.click("#empty [data-do=camera]")
    one.until("document.querySelector('dialog video')?.videoWidth > 0")
    one.page.click("dialog .primary")
    one.wait()
    assert one.text("#name").startswith("camera.jpg")


def test_a_format_that_the_browser_does_not_know_is_shown_all_the_same(
    visit: Visiting, server: WebServer, tmp_path: Path
) -> None:
    with Image.open(EXAMPLES / "chelsea.png") as picture:
        picture.convert("RGB").save(tmp_path / "cat.tiff")
    one = visit(server)
    one.give(tmp_path / "cat.tiff")
    one.until("document.querySelector('#picture').width > 1")
    with Image.open(EXAMPLES / "chelsea.png") as picture:
        assert np.abs(one.pixels("#picture").astype(int) - np.asarray(picture.convert("RGB"))).mean() < 2


def test_a_picture_that_the_browser_turned_upright_lies_on_its_depth(
    visit: Visiting, server: WebServer, tmp_path: Path
) -> None:
    turned = Image.open(PHOTO).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # the picture is to be turned clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif)
    one = visit(server)
    one.give(tmp_path / "turned.jpg")
    assert one.text("#name").startswith("turned.jpg 640 × 427")
    assert one.pixels("#picture").shape == (427, 640, 3)
    seen = io.BytesIO()
    Image.fromarray(one.pixels("#picture")).save(seen, "PNG")
    assert np.abs(one.pixels("#picture").astype(int) - np.asarray(Image.open(PHOTO))).mean() < 8
