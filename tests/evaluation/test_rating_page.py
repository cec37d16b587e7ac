"""The page for raters in a real browser: Debian's Chromium, without a network."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from jobs.main import main

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">{data}<!--"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three models' predictions for four tasks, 12 different responses."""
    folder = tmp_path_factory.mktemp("predictions")
    for model in ("base", "seeds", "tuned"):
        rows = [
            {"instruction": f"Instruction {n}", "input": f"input {n}" if n else "", "target": f"target {n}"}
            | {"response": f"{HOSTILE} by {model}" if n == 3 else f"response {n} of {model[0]}"}
            for n in range(4)
        ]
        rows[2]["instruction"] = HOSTILE
        (folder / f"{model}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def page_file(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "page.html"
    assert main(["rate", "page", *files, "--out", str(out), "--title", "Rate <b> & {style}"]) == 0
    return out


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Any) -> Iterator[Any]:
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield running
    running.close()


class Sitting:
    """A rater before the page, and everything that the browser had to say."""

    def __init__(self, context: Any, file: Path) -> None:
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def begin(self, name: str) -> None:
        self.page.fill("#name", name)
        self.press("Enter")
        self.page.wait_for_selector("#work", state="visible")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.page.evaluate("() => new Promise((done) => setTimeout(done))")  # the page has seen it

    @property
    def position(self) -> str:
        return str(self.page.inner_text("#position"))

    def shown(self) -> list[str]:
        """The task and its responses, in the order on the screen."""
        return [self.page.inner_text("#instruction"), *self.page.locator("#responses .text").all_inner_texts()]

    def export(self) -> dict[str, Any]:
        with self.page.expect_download() as download:
            self.press("e")
        return dict(json.loads(Path(download.value.path()).read_text()))


def walk(sitting: Sitting) -> list[list[str]]:
    """What is shown in the whole of a rater's order."""
    seen = [sitting.shown()]
    while sitting.page.locator("#forth").is_enabled():
        sitting.press("ArrowRight")
        seen.append(sitting.shown())
    return seen


def test_rating_by_keyboard_survives_closing_and_is_read(
    playwright: Any, page_file: Path, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def browser() -> Any:
        return playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=FLAGS, accept_downloads=True
        )

    with browser() as context:
        sitting = Sitting(context, page_file)
        assert "12 responses to 4 tasks" in sitting.page.inner_text("#amount")
        sitting.begin("Ann")
        sitting.press("1", "2", "3", "4", "4")
        assert sitting.position == "5 of 12 responses rated, task 2 of 4"
        sitting.press("u", "Control+z")
        assert sitting.position == "3 of 12 responses rated, task 2 of 4"
        sitting.press("2")
        sitting.page.close()
        sitting = Sitting(context, page_file)  # another tab
        assert sitting.position == "4 of 12 responses rated, task 2 of 4"
        sitting.press("1")
    with browser() as context:  # the browser again
        sitting = Sitting(context, page_file)
        assert sitting.position == "5 of 12 responses rated, task 2 of 4"
        sitting.press("u")  # undo reaches back beyond the closing
        sitting.press("3")
        partial = sitting.export()
        assert sorted(partial["ratings"].values()) == ["A", "B", "B", "C", "C"]
        assert not sitting.page.locator("#done").is_visible()
        sitting.press(*"4444444")
        assert sitting.page.locator("#done").is_visible()
        ratings = sitting.export()
        assert sitting.said == []
    assert (ratings["rater"], ratings["kind"], len(ratings["ratings"])) == ("Ann", "person", 12)
    exported = tmp_path / "ann.json"
    exported.write_text(json.dumps(ratings))
    out = tmp_path / "counts.json"
    assert main(["rate", "read", str(exported), "--predictions", *files, f"--json={out}"]) == 0
    counts = json.loads(out.read_text())["figures"]["counts"]["Ann"]
    assert set(counts) == {"base", "seeds", "tuned"}
    totals = {level: sum(model[level] for model in counts.values()) for level in "ABCD"}
    assert totals == {"A": 1, "B": 2, "C": 2, "D": 7}
    assert all(sum(model.values()) == 4 for model in counts.values())


def test_the_order_is_the_raters_own_and_stays(browser: Any, page_file: Path) -> None:
    orders = []
    for name in ("Ann", "Ann", "Bo"):
        with browser.new_context() as context:
            sitting = Sitting(context, page_file)
            sitting.begin(name)
            orders.append(walk(sitting))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(map(sorted, orders[0])) == sorted(map(sorted, orders[2]))
    assert len(orders[0]) == 12


def test_hostile_text_is_shown_as_text_and_nothing_is_loaded(browser: Any, page_file: Path) -> None:
    with browser.new_context() as context:
        sitting = Sitting(context, page_file)
        sitting.begin("<img src=x onerror=alert(1)>")
        seen = {text for shown in walk(sitting) for text in shown}
        assert HOSTILE in seen
        assert {f"{HOSTILE} by {model}" for model in ("base", "seeds", "tuned")} <= seen
        assert sitting.page.title() == "Rate <b> & {style}"
        assert sitting.page.inner_text("#rater") == "Rater: <img src=x onerror=alert(1)>"
        assert sitting.asked == [page_file.as_uri()]
        assert sitting.said == []


def test_the_policy_forbids_what_the_page_does_not_need(browser: Any, page_file: Path) -> None:
    with browser.new_context() as context:
        sitting = Sitting(context, page_file)
        broken = sitting.page.evaluate(
            """async () => {
                const broken = [];
                document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
                await fetch("http://127.0.0.1:9/").catch(() => {});
                const image = new Image();
                image.src = "http://127.0.0.1:9/x.png";
                const script = document.createElement("script");
                script.textContent = "document.title = 'taken'";
                document.body.append(script);
                await new Promise((resolve) => setTimeout(resolve, 200));
                return broken.sort();
            }"""
        )
        assert broken == ["connect-src", "img-src", "script-src-elem"]
        assert sitting.page.title() != "taken"


def test_a_browser_that_keeps_nothing_is_told_about(browser: Any, page_file: Path) -> None:
    with browser.new_context() as context:
        context.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); };")
        sitting = Sitting(context, page_file)
        sitting.begin("Ann")
        assert "Export before you close it" in sitting.page.inner_text("#notice")
        sitting.press("1", "4")
        assert sorted(sitting.export()["ratings"].values()) == ["A", "D"]


def test_a_phone_shows_everything_in_its_width(browser: Any, page_file: Path) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, color_scheme="dark") as context:
        sitting = Sitting(context, page_file)
        sitting.begin("Ann")
        width = "document.documentElement.scrollWidth"
        for level in range(4):
            assert sitting.page.evaluate(width) <= 360
            sitting.page.locator("#choices button").nth(level).tap()
        assert sitting.position.startswith("4 of 12")
        sitting.page.locator("#undo").tap()
        assert sitting.position.startswith("3 of 12")
        dark = sitting.page.evaluate("getComputedStyle(document.body).backgroundColor")
    with browser.new_context(color_scheme="light") as context:
        assert Sitting(context, page_file).page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_two_tabs_of_one_rater_do_not_lose_each_others_ratings(browser: Any, page_file: Path) -> None:
    with browser.new_context() as context:
        one = Sitting(context, page_file)
        one.begin("Ann")
        other = Sitting(context, page_file)
        one.press("1")
        sync_api.expect(other.page.locator("#position")).to_have_text(re.compile(r"^1 of"))
        other.press("ArrowRight", "2")
        sync_api.expect(one.page.locator("#position")).to_have_text(re.compile(r"^2 of"))
        assert sorted(one.export()["ratings"].values()) == ["A", "B"]
