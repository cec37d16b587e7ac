"""The report's page in a real browser: hostile texts stay texts, the review works, nothing overflows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.records import (
    Candidate,
    Finish,
    InstanceRow,
    Kind,
    Label,
    Origin,
    Proposal,
    Reason,
    RoundFile,
    Table,
)
from selfinstruct.settings import fingerprint_of
from selfinstruct.storage.store import RunStore
from tests.tools.runs import make_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

AXE = Path(__file__).parents[2] / ".cache/axe/node_modules/axe-core/axe.min.js"

FIRE = "window.fired=(window.fired||0)+1"
PAYLOADS = [
    f"<script>{FIRE}</script>",
    f"</script><script>{FIRE}</script>",
    f"<img src=x onerror={FIRE}>",
    f'"><svg onload="{FIRE}">',
    f"' onmouseover='{FIRE}' autofocus onfocus='{FIRE}",
    f'<a href="javascript:{FIRE}" id=bait>click</a>',
    f"<iframe srcdoc='<script>parent.{FIRE}</script>'></iframe>",
    f"<svg><animate onbegin={FIRE} attributeName=x dur=1s></svg>",
    f"<details open ontoggle={FIRE}>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={FIRE}&gt;'>",
    f"</style><script>{FIRE}</script>",
    "<style>*{display:none!important}</style>",
    f"</title><script>{FIRE}</script>",
    f"<!--><script>{FIRE}</script>-->",
    "{{ 7*7 }}{% for x in range(9) %}{{ config }}{% endfor %}${7*7}",
    f"\u2028{FIRE}\u2029//",
    f"NUL\x00<\x00script>{FIRE}</script>",
    f"\u202e{FIRE}\u202c\u2066reversed\u2069\u200f",
    f"\ufeff\uff1cscript\uff1e{FIRE}\uff1c/script\uff1e\u00adsoft\u200bzero",
    f"<base href='https://example.invalid/'><meta http-equiv=refresh content='0;url=javascript:{FIRE}'>",
    "<form action=https://example.invalid><button formaction='javascript:alert(1)'>go</form>",
    '=HYPERLINK("https://example.invalid","x")\r\nsecond line\ttab',
    "&lt;b&gt; &amp;amp; &#x3C;script&#x3E; \\u003cscript\\u003e",
    "z\u0351\u0357\u0308\u0301" * 40 + "W" * 400,
]


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each payload in every place where a model or a user can put a text."""
    folder = tmp_path_factory.mktemp("hostile") / "<script>window.fired=1<"
    folder.mkdir()
    store = RunStore(str(folder))
    facts = {"facts": {f"note {n}": payload for n, payload in enumerate(PAYLOADS)}}
    seeds = [_candidate(f"seed/{n}{text}", 0, None, text) for n, text in enumerate(PAYLOADS)]
    given = [_instance(seed.id, seed.text, text) for seed, text in zip(seeds, PAYLOADS, strict=True)]
    proposals, candidates, labels, instances = [], [], [], []
    for n, text in enumerate(PAYLOADS):
        request = f"000001/{n:05d}"
        proposals.append(Proposal(request, 1, text, (seeds[n].id,), text, Finish.STOP, 3, 4, None))
        candidates.append(_candidate(f"{request}/00", 1, request, text, nearest=seeds[n].id))
        candidates.append(_candidate(f"{request}/01", 1, request, text, Reason.SIMILAR, seeds[n].id))
        id = f"{request}/00"
        labels.append(Label(f"{id}/classify", 1, id, Kind.CLASSIFY, text, Finish.STOP, 3, 1, None))
        instances += [_instance(id, text, text), _instance(id, text, text, Reason.CONFLICTING)]
    for file in (
        RoundFile(Table.CANDIDATES, 0, tuple(seeds), facts),
        RoundFile(Table.INSTANCES, 0, tuple(given)),
        RoundFile(Table.PROPOSALS, 1, tuple(proposals)),
        RoundFile(Table.CANDIDATES, 1, tuple(candidates)),
        RoundFile(Table.LABELS, 1, tuple(labels)),
        RoundFile(Table.INSTANCES, 1, tuple(instances)),
    ):
        store.commit(file, fingerprint_of(facts["facts"]))
    return folder


def _candidate(
    id: str, number: int, request: str | None, text: str, reason: Reason | None = None, nearest: str | None = None
) -> Candidate:
    origin = Origin.MODEL if number else Origin.SEED
    score = 0.9 if nearest else None
    return Candidate(id, number, request, 0 if request else None, origin, text, reason is None, reason, nearest, score)


def _instance(id: str, text: str, given: str, reason: Reason | None = None) -> InstanceRow:
    number = 0 if id.startswith("seed/") else 1
    position = 0 if reason is None else 1
    return InstanceRow(f"{id}/{position}", number, id, text, True, given, given, reason is None, reason)


@pytest.fixture(scope="module")
def page_file(hostile_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert main(["report", str(hostile_run), "--out", str(path), "--rejected", "30"]) == 0
    return path


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small run as people make it."""
    folder = tmp_path_factory.mktemp("plain")
    store = make_run(folder / "birds")
    assert main(["check", store.blobs.url, "--engine", "template", "--replicas", "0"]) == 0
    assert main(["report", store.blobs.url, "--out", str(folder / "report.html")]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    """The page, opened from disk; `page.heard` is everything that it complained of or tried to fetch."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.heard = []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.on("dialog", lambda dialog: (page.heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: page.heard.append(request.url) if request.url != page_file.as_uri() else None)
    page.goto(page_file.as_uri())
    yield page
    context.close()


def shown(text: str) -> str:
    """What a reader should see of a text: itself, with odd characters by their number."""
    odd = "\x00\r\u2028\u2029\u202e\u202c\u2066\u2069\u200f\ufeff\u00ad\u200b"
    return "".join(f"U+{ord(char):04X}" if char in odd else char for char in text)


def test_hostile_texts_are_shown_and_never_run(page: Any) -> None:
    texts = page.evaluate("[...document.querySelectorAll('#accepted .instruction')].map(e => e.textContent)")
    assert sorted(texts) == sorted(map(shown, PAYLOADS))
    outputs = page.evaluate("[...document.querySelectorAll('#review .fields dd')].map(e => e.textContent)")
    assert set(outputs) == set(map(shown, PAYLOADS))
    rejected = page.evaluate("[...document.querySelectorAll('#rejected-rows .row > .text')].map(e => e.textContent)")
    assert sorted(rejected) == sorted(map(shown, PAYLOADS))
    strangers = (
        "iframe, img, form, base, object, embed, math, animate, [onerror], [onload], [onfocus], [srcdoc],"
        " a:not([href^='#'])"
    )
    assert page.evaluate(f"document.querySelectorAll({strangers!r}).length") == 0
    assert page.evaluate("document.querySelectorAll('script, style').length") == 2
    for button in page.query_selector_all(".next, .chip, #theme"):
        if button.is_visible():
            button.click()
    page.mouse.wheel(0, 5000)
    assert page.evaluate("window.fired") is None
    assert page.heard == []


def test_the_policy_lets_no_other_script_run(page: Any) -> None:
    page.evaluate("document.addEventListener('securitypolicyviolation', e => (window.seen ||= []).push(e.blockedURI))")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.fired = 1';"
        " document.body.append(s); const i = new Image(); i.src = 'https://example.invalid/x.png';"
        " document.body.append(i); }"
    )
    for _ in range(100):  # the page's policy lets no string be evaluated, so playwright cannot wait for it in the page
        if page.evaluate("(window.seen || []).length") == 2:
            break
        page.wait_for_timeout(50)
    assert page.evaluate("window.seen") == ["inline", "https://example.invalid/x.png"]
    assert page.evaluate("window.fired") is None


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_search_and_a_reason_narrow_the_rows(page: Any) -> None:
    visible = "[...document.querySelectorAll('#accepted-rows > .row')].filter(e => !e.hidden).length"
    assert page.evaluate(visible) == 10
    page.fill("[data-search=accepted-rows]", "HYPERLINK")
    assert page.evaluate(visible) == 1
    page.fill("[data-search=accepted-rows]", "nowhere to be found")
    assert page.evaluate(visible) == 0


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_filled_in_review_is_saved_and_read_back(
    page: Any, hostile_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    rows = page.query_selector_all("#review-rows > .row")[:10]
    for at, row in enumerate(rows):
        for question in ("task", "input", "output"):
            yes = at < 8 or question == "task"
            row.query_selector(f"[data-question={question}] input[value={'yes' if yes else 'no'}]").check()
    tally = page.query_selector("#tally tr[data-question=all]").inner_text().split()
    assert tally[:6] == ["All", "three", "8", "10", "80", "%"]
    with page.expect_download() as download:
        page.click(f"#save-{ending}")
    answers = tmp_path / f"answers.{ending}"
    download.value.save_as(answers)
    if ending == "csv":
        cells = answers.read_text(encoding="utf-8").split(",")
        assert not any(cell.strip().strip('"').startswith("=") for cell in cells)
    figures, out = tmp_path / "figures.json", tmp_path / "page.html"
    options = ["--out", str(out), f"--json={figures}", "--review", str(answers)]
    assert main(["report", str(hostile_run), *options]) == 0
    assert "All three 80% yes (49% to 94%) of 10; the paper 54%" in capsys.readouterr().out
    review = json.loads(figures.read_text())["figures"]["review"]
    assert [(each["yes"], each["answered"]) for each in review] == [(10, 10), (8, 10), (8, 10), (8, 10)]
    assert "49.0\u202f% to 94.3\u202f%" in out.read_text()
    page.goto(out.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_page_is_called_by_the_run_s_name_and_no_path(page: Any, hostile_run: Path) -> None:
    assert page.query_selector("h1").inner_text() == hostile_run.name
    assert str(hostile_run.parent) not in page.content()


def test_a_review_is_filled_in_by_keys(page: Any) -> None:
    pressed = "[...document.querySelectorAll('#review-rows input:checked')].map(e => e.name + e.value)"
    page.keyboard.press("y")  # not switched on
    assert page.evaluate(pressed) == []
    page.focus("#keys")
    page.keyboard.press("Enter")
    for key in "ynys":
        page.keyboard.press(key)
    assert page.evaluate(pressed) == ["q0taskyes", "q0inputno", "q0outputyes"]
    page.keyboard.press("u")
    assert page.evaluate(pressed) == ["q0taskyes", "q0inputno"]
    page.keyboard.press("n")
    assert page.evaluate(pressed) == ["q0taskyes", "q0inputno", "q0outputno"]
    assert page.query_selector("#asked").inner_text().startswith("Row 2 of ")
    assert page.evaluate("document.querySelectorAll('fieldset.now').length") == 1
    page.keyboard.press("Escape")
    page.keyboard.press("y")
    assert len(page.evaluate(pressed)) == 3
    assert page.evaluate("document.activeElement.id") == "keys"


def test_a_review_by_keys_brings_up_rows_that_are_not_shown_yet(page: Any) -> None:
    page.click("#keys")
    for _ in range(11 * 3):
        page.keyboard.press("s")
    assert page.query_selector("#review-rows fieldset.now").is_visible()
    assert page.query_selector("#asked").inner_text().startswith("Row 12 of ")


def test_what_scrolls_is_within_reach_of_the_keyboard(page: Any) -> None:
    scrolls = (
        "[...document.querySelectorAll('main *')].filter(e => getComputedStyle(e).overflowY === 'auto'"
        " && (e.scrollHeight > e.clientHeight || e.scrollWidth > e.clientWidth)).map(e => e.tabIndex)"
    )
    assert set(page.evaluate(scrolls)) == {0}


def test_a_slice_says_its_words_when_it_is_pointed_at(page: Any, plain_file: Path) -> None:
    page.goto(plain_file.as_uri())
    title = page.evaluate("document.querySelector('.slice.noun title').textContent")
    page.evaluate("document.querySelector('.slice.noun').dispatchEvent(new PointerEvent('pointerenter'))")
    assert page.query_selector("#pointed").inner_text() == title


@pytest.mark.skipif(not AXE.is_file(), reason=f"there is no {AXE}; `make axe` fetches it by npm")
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("which", ["page_file", "plain_file"])
def test_axe_finds_nothing_serious(browser: Any, request: pytest.FixtureRequest, which: str, look: str) -> None:
    size = {"width": 390 if look == "phone" else 1280, "height": 800}
    scheme = "dark" if look == "dark" else "light"
    context = browser.new_context(bypass_csp=True, viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(request.getfixturevalue(which).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.click("#keys")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    context.close()
    assert len(found["passes"]) > 20
    bad = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in bad] == []


def test_a_saved_review_is_loaded_again(page: Any, tmp_path: Path) -> None:
    page.query_selector("#review-rows input[value=no]").check()
    with page.expect_download() as download:
        page.click("#save-json")
    saved = tmp_path / "saved.json"
    download.value.save_as(saved)
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.query_selector("#tally td:nth-child(3)").inner_text() == "0"
    page.set_input_files("#load", saved)
    sync_api.expect(page.locator("#tally td:nth-child(3)").first).to_have_text("1")
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "run": "another"}))
    page.set_input_files("#load", saved)
    page.wait_for_timeout(100)
    assert any("another run" in line for line in page.heard)
