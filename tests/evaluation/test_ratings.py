"""Ratings: counts, agreement, the chart, and a model as judge."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.evaluation.judge import PROMPT, judge_text, parse_level, read_judge_prompt
from selfinstruct.evaluation.page import rating_page
from selfinstruct.evaluation.predictions import Prediction, read_predictions
from selfinstruct.evaluation.ratings import LEVELS, Ratings, agreement, count_levels, mean_counts, read_ratings


def predictions_of(folder: Path, tasks: int = 6) -> Path:
    """Two models' predictions, in two of the forms; both give the same response to task 0."""
    folder.mkdir(parents=True, exist_ok=True)
    released = [
        {
            "instruction": f"Do {n}.\n",
            "input": f"i{n}",
            "response": f" {'good' if n else 'same'} {n}",
            "target": f"t{n}",
        }
        for n in range(tasks)
    ]
    ours = [
        {"id": f"task{n}", "model": "tuned $1$", "instruction": f"Do {n}.", "input": f"i{n}", "target": [f"t{n}"]}
        | {"response": f"{'fair' if n else 'same'} {n}"}
        for n in range(tasks)
    ]
    for name, rows in (("base_predictions.jsonl", released), ("tuned.jsonl", ours)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def files_in(folder: Path) -> list[str]:
    return [str(folder / "base_predictions.jsonl"), str(folder / "tuned.jsonl")]


@pytest.fixture
def predictions(tmp_path: Path) -> list[Prediction]:
    return read_predictions(files_in(predictions_of(tmp_path / "predictions")))


def ratings_file(path: Path, ratings: Ratings) -> str:
    path.write_text(json.dumps(ratings.to_json()))
    return str(path)


def test_predictions_of_several_forms_meet(predictions: list[Prediction]) -> None:
    assert {each.model for each in predictions} == {"base", "tuned $1$"}
    assert len({each.asked for each in predictions}) == 6
    assert len({each.id for each in predictions}) == 11  # one response is the same


def test_what_is_no_prediction_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    rows = [{"response": "x"}, {"response": "x", "instruction": "Do.", "target": 3}]
    rows += [{"response": "x", "instruction": "Do it."}, {"response": "y", "instruction": "Do it. "}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError) as caught:
        read_predictions([str(path)])
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["1", "2", "4"]
    assert "answers this task otherwise" in caught.value.problems[2]
    with pytest.raises(InputError, match=r"holds no predictions\.jsonl"):
        read_predictions([str(tmp_path)])


def test_agreement_by_hand() -> None:
    # 4 of 6 alike, 8/36 by chance: (2/3 - 2/9) / (1 - 2/9); ranks with ties: 15 / 16.5
    pair = agreement(("x", "y"), list("AABCDD"), list("ABBCDC"))
    assert pair.kappa == pytest.approx(4 / 7)
    assert pair.kappa_good == pytest.approx(1)
    assert pair.rho == pytest.approx(15 / 16.5)
    alike = agreement(("x", "y"), ["A", "A"], ["A", "A"])
    assert (alike.number, alike.kappa, alike.kappa_good, alike.rho) == (2, None, None, None)
    reversed_ = agreement(("x", "y"), list("ABCD"), list("DCBA"))
    assert reversed_.rho == pytest.approx(-1)
    assert reversed_.kappa_good == pytest.approx(-1)


def test_an_equal_response_counts_for_both_models(predictions: list[Prediction]) -> None:
    same = predictions[0].id
    counts = count_levels(Ratings("ann", False, {same: "B"}), predictions)
    assert counts == {model: {"A": 0, "B": 1, "C": 0, "D": 0} for model in ("base", "tuned $1$")}
    assert mean_counts([counts, count_levels(Ratings("bo", False, {}), predictions)])["base"]["B"] == 0.5


def test_ratings_that_do_not_fit_are_named(tmp_path: Path, predictions: list[Prediction]) -> None:
    id = predictions[0].id
    cases = {
        "is no file of ratings": {"ratings": {}},
        "knows levels that are none: E": Ratings("ann", False, {id: "E"}).to_json(),
        "1 of its 1 ratings are of responses that are not among": Ratings("ann", False, {"strange": "A"}).to_json(),
        "otherwise than another file of rater 'bo'": Ratings("bo", False, {id: "C"}).to_json(),
    }
    paths = [tmp_path / f"{number}.json" for number in range(len(cases))]
    for path, content in zip(paths, cases.values(), strict=True):
        path.write_text(json.dumps(content))
    good = Path(ratings_file(tmp_path / "good.json", Ratings("bo", False, {id: "A"})))
    with pytest.raises(InputError) as caught:
        read_ratings([good, *paths, tmp_path / "absent.json"], predictions)
    assert len(caught.value.problems) == 5
    for expected, problem in zip(cases, caught.value.problems, strict=False):
        assert expected in problem


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_read_shows_counts_agreement_and_the_chart(
    tmp_path: Path, predictions: list[Prediction], capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    ids = [each.id for each in predictions]
    files = [
        ratings_file(tmp_path / "ann.json", Ratings("Ann", False, dict(zip(ids, "AABCDDABCDAB", strict=True)))),
        ratings_file(tmp_path / "bo.json", Ratings("Bo", False, dict(zip(ids[:6], "ABBCDC", strict=True)))),
        ratings_file(tmp_path / "judge.json", Ratings("m", True, dict(zip(ids[:6], "AABCDD", strict=True)), 5)),
    ]
    chart, out = tmp_path / f"chart.{ending}", tmp_path / "out.json"
    asked = ["rate", "read", *files, "--predictions", *files_in(tmp_path / "predictions")]
    assert main([*asked, "--chart", str(chart), f"--json={out}"]) == 0
    shown = capsys.readouterr().out
    assert "Ann × Bo" in shown
    assert "m (model): answers that name no level, and are no ratings: 5" in shown
    assert f"{chart}: the mean over Ann, Bo" in shown
    content = json.loads(out.read_text())["figures"]
    assert content["counts"]["Ann"] == {
        "base": {"A": 2, "B": 1, "C": 1, "D": 2},
        "tuned $1$": {"A": 2, "B": 2, "C": 1, "D": 1},
    }
    pairs = {tuple(each["raters"]): each for each in content["agreement"]}
    assert pairs["Ann", "Bo"]["number"] == 6
    assert pairs["Bo", "m (model)"]["kappa"] == pytest.approx(4 / 7)
    signature = {"png": b"\x89PNG", "svg": b"<?xml"}[ending]
    assert chart.read_bytes().startswith(signature)


def test_a_chart_in_no_known_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["rate", "read", str(tmp_path / "x.json"), "--predictions", str(tmp_path), "--chart", "chart.txt"]
    assert main(asked) == 2
    assert "--chart: chart.txt: must end in" in capsys.readouterr().err


# ---- the judge


@pytest.mark.parametrize(
    ("text", "level"),
    [
        *((text, "A") for text in (" A", "A.", "A: fine", "A\nThe rest", "**A**", "(A)", "Grade: A", "a", "A - ok")),
        *((text, "B") for text in ("B because of", "The grade is B.", "Answer: B", "b.\n")),
        ("D", "D"),
        *((text, None) for text in ("", "A fair attempt", "because", "Better", "B or C", "C/D", "E", "d is right")),
    ],
)
def test_a_level_is_read_only_where_one_is_named(text: str, level: str | None) -> None:
    assert parse_level(text) == level


def test_the_judge_sees_what_people_see(predictions: list[Prediction]) -> None:
    text = judge_text(read_judge_prompt(PROMPT), predictions[1])
    assert all(part in text for part in ("Do 1.", "i1", "t1", "good 1"))
    assert "base" not in text
    assert all(f"\n{level}: " in text for level in LEVELS)
    hostile = Prediction("m", "t", "{response}", "", (), "{instruction}")
    assert judge_text("{instruction}|{input}|{target}|{response}", hostile) == "{response}|(none)|(none)|{instruction}"


class Server(BaseHTTPRequestHandler):
    """A chat model behind OpenAI's protocol that likes good responses better than fair ones."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[dict[str, Any]]] = []

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "critic"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        response = body["messages"][0]["content"].rpartition("Response to grade:\n")[2]
        text = "A" if response.startswith("good") else "Grade: C" if response.startswith("fair") else "Who knows?"
        self.reply({"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": text}}]})

    def reply(self, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def test_a_judge_behind_a_server_agrees_with_people(
    tmp_path: Path, predictions: list[Prediction], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files, out = files_in(tmp_path / "predictions"), tmp_path / "out.json"
    asked = ["rate", "judge", *files, "--engine", "openai", "--model", "critic", "--chat", "--replicas", "0"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked += ["--openai.url", f"http://127.0.0.1:{server.server_port}/v1", "--out", str(tmp_path / "judge")]
        assert main(asked) == 0
        assert main(asked) == 0  # everything is answered
        server.shutdown()
    assert len(Server.asked) == 11
    assert {body["temperature"] for body in Server.asked} == {0}
    assert "10 ratings, answers that name no level: 1" in capsys.readouterr().out
    levels = {each.id: "B" if each.response.strip().startswith("good") else "D" for each in predictions}
    ann = ratings_file(tmp_path / "ann.json", Ratings("Ann", False, levels))
    judge = str(tmp_path / "judge/ratings.json")
    assert main(["rate", "read", ann, judge, "--predictions", *files, f"--json={out}"]) == 0
    (pair,) = json.loads(out.read_text())["figures"]["agreement"]
    assert pair["raters"] == ["Ann", "critic (model)"]
    assert (pair["number"], pair["kappa"], pair["kappa_good"]) == (10, 0, 1)
    assert pair["rho"] == pytest.approx(1)


def test_a_judges_ratings_are_read_beside_peoples(
    tmp_path: Path, predictions: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_in(tmp_path / "predictions")
    asked = ["rate", "judge", *files, "--engine", "template", "--replicas", "0", "--out", str(tmp_path / "judge")]
    assert main([*asked, "--name", "grammar"]) == 0
    assert "0 ratings, answers that name no level: 11" in capsys.readouterr().out
    ann = ratings_file(tmp_path / "ann.json", Ratings("Ann", False, {predictions[0].id: "A"}))
    judge = str(tmp_path / "judge/ratings.json")
    assert main(["rate", "read", ann, judge, "--predictions", *files]) == 0
    assert "grammar (model): answers that name no level, and are no ratings: 11" in capsys.readouterr().out
    mine = tmp_path / "mine.txt"
    mine.write_text("Rate {response}.")
    assert main([*asked, "--prompt", str(mine)]) == 2
    assert "must hold {instruction}, {input}, {target}" in capsys.readouterr().err
    mine.write_text("{instruction}{input}{target}{response}")
    assert main([*asked, "--prompt", str(mine)]) == 2
    assert "prompt: the run has" in capsys.readouterr().err


# ---- the page, without a browser (with one: test_rating_page.py)


def test_the_page_names_no_model_and_holds_each_response_once(predictions: list[Prediction]) -> None:
    page = rating_page(predictions, "Title", 0)
    assert "tuned" not in page
    assert "base" not in page.replace("base-uri", "")
    assert page.count("same 0") == 1
    assert page.count("good 3") == 1
    assert rating_page(list(reversed(predictions[:6])) + predictions[6:], "Title", 0).count("good 3") == 1


def test_a_part_of_the_tasks(tmp_path: Path, predictions: list[Prediction]) -> None:
    out = tmp_path / "page.html"
    asked = ["rate", "page", *files_in(tmp_path / "predictions"), "--out", str(out), "--limit", "2"]
    assert main(asked) == 0
    assert out.read_text().count("Do ") == 2
