"""The page on which people rate responses: one HTML file that needs no network and sends nothing anywhere.

It names no model, and holds the responses to a task in the order of their ids, which are hashes; the browser shuffles
tasks and responses for each rater. Its policy (CSP) lets the browser run the two inlined pieces, known by their
hashes, and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selfinstruct.evaluation.predictions import Prediction
from selfinstruct.evaluation.questions import fill
from selfinstruct.evaluation.ratings import LEVELS
from selfinstruct.settings import digest_of


def rating_page(predictions: Sequence[Prediction], title: str, seed: int) -> str:
    """The HTML of the page.

    Args:
        predictions: Of one model or of several.
        title: Shown at the top.
        seed: Of the order, together with the rater's name.
    """
    tasks = _tasks(predictions)
    data = {"page": digest_of([tasks, seed])[:20], "seed": seed, "levels": LEVELS, "tasks": tasks}
    folder = Path(__file__).parent
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return fill(
        (folder / "page.html").read_text(encoding="utf-8").replace("{title}", _escaped(title)),
        policy="; ".join(
            [
                "default-src 'none'",
                f"script-src {_source(script)}",
                f"style-src {_source(style)}",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
        style=style,
        data=_inline(data),
        script=script,
    )


def _escaped(text: str) -> str:
    """Text for HTML that is no placeholder either."""
    return html.escape(text).replace("{", "&#123;")


def _tasks(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Each task once, with its different responses."""
    tasks: dict[tuple[str, str], dict[str, Any]] = {}
    for each in predictions:
        task = tasks.setdefault(
            each.asked, {"instruction": each.asked[0], "input": each.asked[1], "targets": [], "responses": {}}
        )
        task["targets"] += [target for target in each.targets if target not in task["targets"]]
        task["responses"][each.id] = each.response.strip()
    return [
        {**task, "responses": [{"id": id, "text": task["responses"][id]} for id in sorted(task["responses"])]}
        for task in tasks.values()
    ]


def _inline(value: object) -> str:
    """JSON that no HTML parser can take for anything else: pure ASCII, without angle brackets and ampersands."""
    text = json.dumps(value)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _source(text: str) -> str:
    """How a policy names an inlined piece."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
