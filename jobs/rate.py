"""`selfinstruct rate`: a page on which people rate responses, a model that does so, and what came of both."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from jobs.asking import AskedModel, answers_of, json_text, put_derived
from jobs.command_line import choose, run
from jobs.commands import Command, Outcome
from jobs.terminal import console, plain
from selfinstruct.settings import SEEDS, digest_of, option
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.evaluation.ratings import Agreement

RATINGS = "ratings.json"


@dataclass(frozen=True)
class PageSettings:
    """Write the page on which people rate responses: one HTML file that needs no network.

    Args:
        predictions: Predictions of one or several models: files, or folders that `selfinstruct evaluate` wrote.
        out: The HTML file.
        title: Shown at the top.
        seed: Of the order of tasks and responses, which also differs from rater to rater.
        limit: Only so many tasks, drawn at random under the seed.
    """

    predictions: Positional[tuple[str, ...]]
    out: Path
    title: str = "Rate the responses"
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    limit: int | None = option(None, least=1)


@dataclass(frozen=True, kw_only=True)
class JudgeSettings(AskedModel):
    """Have a model rate responses on the same four levels, greedily.

    Args:
        predictions: Predictions of one or several models: files, or folders that `selfinstruct evaluate` wrote.
        out: Folder for ratings.json and the judge's answers.
        name: The judge's name among the raters (default: the last part of --model).
        prompt: Text file to use in place of the shipped prompt; holds {instruction}, {input}, {target}, {response}.
        chat: Ask as a user's message, in the judge's own chat template.
        max_tokens: The most tokens of an answer.
    """

    predictions: Positional[tuple[str, ...]]
    out: str
    name: str | None = None
    prompt: Path | None = None
    chat: bool = False
    max_tokens: int = option(16, least=1)


@dataclass(frozen=True)
class ReadSettings:
    """Count ratings for each model, and say how far raters agree.

    Args:
        ratings: Files of ratings: exported from the page, or written by `selfinstruct rate judge`.
        predictions: The predictions that were rated, as given to the page.
        chart: File for the paper's figure (.png, .svg, .pdf): the mean over people, or over judges if no person rated.
    """

    ratings: Positional[tuple[Path, ...]]
    predictions: tuple[str, ...]
    chart: Path | None = None


PAGE = Command(
    "rate page",
    PageSettings,
    examples=(
        "selfinstruct rate page runs/users/first runs/users/second --out rate.html",
        "selfinstruct rate page runs/users/first --out rate.html --limit 50",
    ),
)

JUDGE = Command(
    "rate judge",
    JudgeSettings,
    shown={
        "the judge": ("model", "name", "engine", "openai.url", "replicas", "ray.address"),
        "how it is asked": ("prompt", "chat", "max_tokens"),
    },
    examples=(
        "selfinstruct rate judge runs/users/first --model /models/judge-70b --chat --out runs/judge",
        "selfinstruct rate judge runs/users/first runs/users/second --model /models/judge-70b --out runs/judge",
    ),
)

READ = Command(
    "rate read",
    ReadSettings,
    examples=(
        "selfinstruct rate read ann.json judge.json --predictions runs/users/first",
        "selfinstruct rate read ann.json --predictions runs/users/first --chart ratings.png --json",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the three; returns the exit code."""
    commands = {
        "page": (_page, "an HTML page on which people rate responses, blind and without a network"),
        "judge": (_judge, "another model rates them on the same levels"),
        "read": (_read, "counts for each model, the paper's figure, and how far raters agree"),
    }
    return choose("rate", commands, argv)


def _page(argv: Sequence[str]) -> int:
    return run(PAGE, page, argv)


def _judge(argv: Sequence[str]) -> int:
    return run(JUDGE, judge, argv)


def _read(argv: Sequence[str]) -> int:
    return run(READ, read, argv)


def page(settings: PageSettings) -> Outcome:
    """Write the page."""
    from selfinstruct.draws import Draws
    from selfinstruct.evaluation.page import rating_page
    from selfinstruct.evaluation.predictions import read_predictions
    from selfinstruct.storage.files import write_file

    predictions = read_predictions(settings.predictions)
    asked = list(dict.fromkeys(each.asked for each in predictions))
    if settings.limit is not None:
        chosen = set(Draws("page", settings.seed).sample(asked, settings.limit))
        asked = [each for each in asked if each in chosen]
        predictions = [each for each in predictions if each.asked in chosen]
    write_file(settings.out, rating_page(predictions, settings.title, settings.seed))
    models = dict.fromkeys(each.model for each in predictions)
    responses = len({each.id for each in predictions})
    print(
        f"{settings.out}: {counted(responses, 'different response')} of {counted(len(models), 'model')}"
        f" ({', '.join(map(plain, models))}) to {counted(len(asked), 'task')};"
        " open it in a browser, or send it to the raters"
    )
    return Outcome({"out": settings.out, "responses": responses, "tasks": len(asked), "models": list(models)})


def judge(settings: JudgeSettings) -> Outcome:
    """Ask the judge what it has not been asked yet, and write its ratings."""
    from selfinstruct.evaluation import judge as judging
    from selfinstruct.evaluation.predictions import read_predictions
    from selfinstruct.evaluation.questions import free_prompts, free_request, greedy
    from selfinstruct.storage.blobs import open_blobs

    template = judging.read_judge_prompt(settings.prompt or judging.PROMPT)
    predictions = judging.different(read_predictions(settings.predictions))
    texts = {each.id: judging.judge_text(template, each) for each in predictions}
    prompts = free_prompts("judge", greedy(settings.max_tokens), chat=settings.chat)
    facts = {
        "responses": digest_of(sorted(texts)),
        "prompt": template,
        "chat": settings.chat,
        "max_tokens": settings.max_tokens,
    }
    requests = [free_request(id, text) for id, text in texts.items()]
    answers = answers_of(settings, settings.out, prompts, requests, facts, "--max_tokens")
    ratings = judging.judged(settings.name or settings.model_name, {id: answer.text for id, answer in answers.items()})
    put_derived(open_blobs(settings.out), RATINGS, json_text(ratings.to_json()))
    print(
        f"{settings.out.rstrip('/')}/{RATINGS}: {counted(len(ratings.levels), 'rating')},"
        f" answers that name no level: {ratings.unparsable:,}"
    )
    return Outcome({"ratings": len(ratings.levels), "unparsable": ratings.unparsable})


def read(settings: ReadSettings) -> Outcome:
    """Show counts and agreement, and draw them if asked to."""
    from selfinstruct.evaluation.chart import check_chart, draw_chart
    from selfinstruct.evaluation.predictions import read_predictions
    from selfinstruct.evaluation.ratings import agreements, count_levels, mean_counts, read_ratings

    check_chart(settings.chart)
    predictions = read_predictions(settings.predictions)
    raters = read_ratings(settings.ratings, predictions)
    counts = {rater.name: count_levels(rater, predictions) for rater in raters}
    agreed = agreements(raters)
    _show_counts(counts)
    _show_agreement(agreed)
    for rater in raters:
        if rater.unparsable:
            print(f"{plain(rater.name)}: answers that name no level, and are no ratings: {rater.unparsable:,}")
    if settings.chart:
        people = [rater for rater in raters if not rater.is_model] or raters
        draw_chart(mean_counts([counts[rater.name] for rater in people]), settings.chart)
        print(f"{settings.chart}: the mean over {', '.join(plain(rater.name) for rater in people)}")
    unparsable = {rater.name: rater.unparsable for rater in raters if rater.is_model}
    return Outcome({"counts": counts, "agreement": agreed, "unparsable": unparsable})


def _show_counts(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
    from rich.table import Table

    from selfinstruct.evaluation.ratings import LEVELS

    table = Table(title="Ratings", title_justify="left")
    for heading in ("rater", "model"):
        table.add_column(heading)
    for heading in (*LEVELS, "A or B"):
        table.add_column(heading, justify="right")
    for rater, models in counts.items():
        for model, levels in models.items():
            total = sum(levels.values())
            share = f"{(levels['A'] + levels['B']) / total:.0%}" if total else ""
            table.add_row(plain(rater), plain(model), *map(str, levels.values()), share)
        table.add_section()
    console().print(table)


def _show_agreement(agreed: Sequence[Agreement]) -> None:
    from rich.table import Table

    if not agreed:
        return
    table = Table(title="Agreement (paper, between two people: 0.58, 0.75, 0.81)", title_justify="left")
    table.add_column("raters")
    for heading in ("number", "\u03ba, four levels", "\u03ba, A or B", "Spearman \u03c1"):
        table.add_column(heading, justify="right")
    for pair in agreed:
        values = ("" if value is None else f"{value:.2f}" for value in (pair.kappa, pair.kappa_good, pair.rho))
        table.add_row(plain(" \u00d7 ".join(pair.raters)), str(pair.number), *values)
    console().print(table)


if __name__ == "__main__":
    sys.exit(main())
