"""`selfinstruct select`: the instructions of a run, or the rows of a file, that are worth what comes next."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.asking import AskedModel, answers_of
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import working
from selfinstruct.errors import InputError
from selfinstruct.places import local
from selfinstruct.settings import SEEDS, option

if TYPE_CHECKING:
    from selfinstruct.quality.only import Only
    from selfinstruct.selection.candidates import Candidate
    from selfinstruct.selection.figures import Coverage
    from selfinstruct.selection.naming import Places
    from selfinstruct.semantic.encoders import Encoder
    from selfinstruct.semantic.vectors import Vectors
    from selfinstruct.storage.store import RunStore

PASSING = "checks.all == yes"


class Way(StrEnum):
    """How is chosen."""

    RANDOM = "random"
    KCENTRE = "kcentre"
    MODEL = "model"
    QUALITY = "quality"


@dataclass(frozen=True, kw_only=True)
class SelectSettings(AskedModel):
    """Choose instructions of a run, for `label`, `export` and `finetune` (`--only FILE`), or rows of a file.

    Args:
        run: Folder of the run, or a file of texts (.jsonl, .json, .parquet).
        number: How many to choose.
        by: random; kcentre (always what is farthest from all that is chosen); model (the best of groups of unlike ones,
            named by --model); quality (what a check passed, by draw, without near copies).
        out: The file of the choice; one that is there is replaced. What a model answers is kept beside it.
        only: Of a run with instances, choose among instructions with one that this passes, as "checks.all == yes".
        check: Name of the check that it means; without --only, what all its questions passed.
        force: Let kcentre choose among rows of a run that nobody checked.
        seed: Of the draws.
        field: Of a file, the key of the text.
        embedding: Folder of another encoder, of sentence-transformers or model2vec (default: the table of [semantic]).
        prompts: Prompt set whose select.toml a model is asked by: chat, base, or a folder.
        group: Instructions that a model is shown at once, about.
    """

    run: Positional[str]
    number: int = option(least=1)
    by: Way
    out: Path = Path("chosen.parquet")
    only: str | None = None
    check: str | None = None
    force: bool = False
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    field: str = "text"
    embedding: Path | None = None
    prompts: str = "chat"
    group: int = option(14, least=2, most=60)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and what a model had to do with it."""

    rows: Sequence[tuple[int, int | None, str]]  # ordinal, group, by
    asked: int = 0
    unreadable: int = 0  # answers, in whose place was drawn
    places: Places | None = None

    @property
    def ordinals(self) -> list[int]:
        """Of the chosen."""
        return [ordinal for ordinal, _, _ in self.rows]


COMMAND = Command(
    "select",
    SelectSettings,
    shown={
        "what is chosen from": ("only", "check", "field", "force"),
        "the choice": ("out", "seed"),
        "the model, for --by model": ("engine", "model", "prompts", "openai.url", "replicas"),
    },
    examples=(
        "selfinstruct select runs/first --number 1000 --by quality",
        'selfinstruct select runs/first --number 1000 --by kcentre --only "checks.all == yes"',
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Select; returns the exit code."""
    return run(COMMAND, select, argv)


def select(settings: SelectSettings) -> Outcome:
    """Choose, write the file, and show how the choice covers what there was, beside others."""
    from selfinstruct.selection.files import Chosen, check_place, write
    from selfinstruct.semantic.encoders import open_encoder

    out = local(settings.out)
    check_place(out)
    candidates = _candidates(settings)
    if len(candidates) <= settings.number:
        raise InputError(
            f"--number: {settings.run} has {len(candidates):,} to choose from; give less than that, or let more pass"
        )
    encoder = open_encoder(settings.embedding)
    with working("embedding"):
        vectors = encoder.embed([each.text for each in candidates])
    with working("choosing") if settings.by is not Way.MODEL else nullcontext():
        choice = _choose(settings, candidates, vectors, encoder)
    chosen = [
        Chosen(candidates[ordinal].id, candidates[ordinal].text, group, by)
        for ordinal, group, by in sorted(choice.rows)
    ]
    write(out, chosen, _facts(settings, candidates, encoder))
    return Outcome(_shown(settings, candidates, vectors, choice))


def _candidates(settings: SelectSettings) -> list[Candidate]:
    from selfinstruct.selection.candidates import of_file, of_run
    from selfinstruct.sources.rows import is_readable
    from selfinstruct.storage.store import open_run

    if not is_readable(settings.run):
        store = open_run(settings.run)
        return of_run(store, _only(settings, store))
    if settings.only or settings.check or settings.by is Way.QUALITY:
        raise InputError(f"select: {settings.run} is no run, so nothing of it was checked; see --only, --check, --by")
    return of_file(settings.run, settings.field)


def _only(settings: SelectSettings, store: RunStore) -> Only | None:
    from selfinstruct.quality.only import Only

    text = settings.only or (PASSING if settings.check or settings.by is Way.QUALITY else None)
    if text is None and settings.by is Way.KCENTRE and not settings.force:
        raise InputError(
            "--by kcentre: takes first what is unlike all else, and of rows that nobody checked much of that is no"
            f' task; give --only "{PASSING}" after `selfinstruct check`, or --force'
        )
    return Only(text, store, settings.check) if text is not None else None


def _choose(settings: SelectSettings, candidates: Sequence[Candidate], vectors: Vectors, encoder: Encoder) -> Choice:
    from selfinstruct.selection.ways import by_draw, by_k_centre, by_quality

    if settings.by is Way.MODEL:
        return _by_model(settings, candidates, vectors, encoder)
    if settings.by is Way.RANDOM:
        ordinals = by_draw(len(candidates), settings.number, settings.seed)
    elif settings.by is Way.KCENTRE:
        ordinals = by_k_centre(vectors, settings.number)
    else:
        ordinals = by_quality(vectors, by_draw(len(candidates), len(candidates), settings.seed), settings.number)
    return Choice([(ordinal, None, str(settings.by)) for ordinal in ordinals])


def _by_model(settings: SelectSettings, candidates: Sequence[Candidate], vectors: Vectors, encoder: Encoder) -> Choice:
    """SelectLLM: a model names the best of each group; a draw stands in for what cannot be read."""
    from selfinstruct.prompts import load_prompts
    from selfinstruct.records import Kind
    from selfinstruct.selection import naming
    from selfinstruct.selection.groups import groups

    prompts = load_prompts(settings.prompts, kinds=[Kind.SELECT])
    all_groups = groups(vectors, settings.number, settings.group, settings.seed)
    once = naming.to_ask(all_groups)
    twice = naming.turned(once, settings.seed)
    requests = [
        naming.request(group, candidates, prompts, settings.seed, again)
        for asked, again in ((once, False), (twice, True))
        for group in asked
    ]
    url = str(local(settings.out).with_suffix(".answers"))
    facts = {**_facts(settings, candidates, encoder), "prompts": prompts.digest}
    answers = answers_of(settings, url, prompts, requests, facts, "max_tokens in prompts of your own (--prompts)")
    first = list(naming.read(once, answers, again=False, chat=prompts.chat))
    again = list(naming.read(twice, answers, again=True, chat=prompts.chat))
    named = {each.group.number: each.named for each in first if each.named}
    rows = [
        (ordinal, group.number, str(Way.MODEL) if group.number in named else "draw")
        for group in all_groups
        for ordinal in named.get(group.number) or naming.drawn(group, settings.seed)
    ]
    return Choice(rows, len(once), sum(each.named is None for each in first), naming.places(first, again))


def _facts(settings: SelectSettings, candidates: Sequence[Candidate], encoder: Encoder) -> dict[str, Any]:
    """What a choice follows from, beside a model."""
    from selfinstruct.settings import digest_of

    return {
        "candidates": digest_of([[each.id, each.text] for each in candidates]),
        "number": settings.number,
        "by": settings.by,
        "seed": settings.seed,
        "group": settings.group,
        "encoder": encoder.digest,
    }


def _shown(
    settings: SelectSettings, candidates: Sequence[Candidate], vectors: Vectors, choice: Choice
) -> dict[str, Any]:
    """Print how the choice and others cover what there was, and give the figures."""
    from selfinstruct.selection.figures import coverage
    from selfinstruct.selection.ways import by_draw, by_k_centre
    from selfinstruct.semantic.cells import cells_of

    cells = cells_of(vectors).tolist() if settings.embedding is None else None
    with working("comparing with other ways"):
        beside = {
            str(settings.by): choice.ordinals,
            str(Way.RANDOM): by_draw(len(candidates), settings.number, settings.seed),
            str(Way.KCENTRE): by_k_centre(vectors, settings.number),
        }
        figures = {way: coverage(vectors, ordinals, candidates, cells) for way, ordinals in beside.items()}
    print(f"{settings.out}: {settings.number:,} of {len(candidates):,}, by {settings.by}")
    _table(figures)
    if choice.places:
        print(f"{choice.unreadable:,} of {choice.asked:,} answers cannot be read; a draw stands in for them")
        print(choice.places.text)
    told = {"candidates": len(candidates), "asked": choice.asked, "unreadable": choice.unreadable}
    places = {"places": asdict(choice.places)} if choice.places else {}
    return {**told, **places, "ways": {way: asdict(each) for way, each in figures.items()}}


def _table(figures: dict[str, Coverage]) -> None:
    print(f"{'':<10}{'radius':>8}{'covered':>9}{'apart':>8}{'cells':>8}{'words':>10}")
    for way, each in figures.items():
        apart = "" if each.apart is None else f"{each.apart:.3f}"
        cells = "" if each.cells is None else f"{each.cells:,}"
        print(f"{way:<10}{each.radius:>8.3f}{each.covered:>9.3f}{apart:>8}{cells:>8}{each.words:>10,}")
    print("radius: the farthest from a chosen one; covered: mean cosine to the nearest chosen one, of all; apart: the")
    print("same of the chosen to each other")


if __name__ == "__main__":
    sys.exit(main())
