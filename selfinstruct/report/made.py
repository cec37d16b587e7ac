"""What made a run, when, and what it took: what a reader asks first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.run.makers import Makers, Model, makers_by_round
from selfinstruct.settings import Facts
from selfinstruct.storage.history import facts_by_round
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.timings import Timing, read_timings


@dataclass(frozen=True, slots=True)
class Took:
    """What the timed rounds of a run took. `gpu_seconds` and `money` are None unless they are known of all of them."""

    hours: float
    replica_seconds: float
    gpu_seconds: float | None
    money: float | None
    whole: bool  # whether what was labelled after the last round's instructions is timed, too


@dataclass(frozen=True, slots=True)
class Made:
    """Who and what made a run.

    Attributes:
        models: Names by what they did; empty where nothing was generated.
        engines, prompts: All that there were.
        began, ended: Days (ISO 8601, UTC) of the first and the last timed round.
        target: Accepted instructions that it was to have at last.
        settings: What a reader asks first of the options that its data depends on, in words.
        took: None where nothing was timed.
    """

    models: Mapping[str, str]
    engines: Sequence[str]
    prompts: Sequence[str]
    began: str | None
    ended: str | None
    target: int | None
    settings: Mapping[str, str]
    took: Took | None


def made(store: RunStore) -> Made:
    """Of a run; reads its timings and the footers of its proposals."""
    timings = read_timings(store.blobs)
    makers = [each for each in makers_by_round(store).values() if each]
    facts = [each for _, each in facts_by_round(store)]
    days = sorted(each.ended[:10] for each in timings if each.ended)
    targets = [each.target for each in timings if each.target]
    return Made(
        models=_models(makers),
        engines=list(dict.fromkeys(str(each[key]) for each in facts for key in _ENGINES if key in each)),
        prompts=list(dict.fromkeys(_prompts(each.prompts) for each in makers)),
        began=days[0] if days else None,
        ended=days[-1] if days else None,
        target=targets[-1] if targets else None,
        settings=dict(_settings(facts[0])),
        took=_took(timings),
    )


_ENGINES = ("proposer.engine", "labeller.engine", "polisher.engine")


def _models(makers: Sequence[Makers]) -> dict[str, str]:
    """Who did what; one line where one model did everything."""
    if len({model for each in makers for model in each.models}) == 1:
        return {"model": _name(makers[0].proposer)}
    roles = {
        "proposed by": [each.proposer for each in makers],
        "labelled by": [each.labeller for each in makers],
        "written anew by": [each.polisher for each in makers if each.polisher],
    }
    return {role: ", ".join(dict.fromkeys(map(_name, models))) for role, models in roles.items() if models}


def _name(model: Model) -> str:
    return model.name or f"from a folder, weights {model.revision[:12]}"


def _prompts(name: str) -> str:
    return f"own, {name[:12]}" if len(name) == 64 else name


def _settings(facts: Facts) -> Iterator[tuple[str, str]]:
    if "novelty.threshold" in facts:
        words = "" if facts.get("novelty.tokeniser") == "rouge" else ", words of any script"
        yield "too similar", f"ROUGE-L above {facts['novelty.threshold']}{words}"
    if "propose.seeds" in facts:
        yield (
            "each prompt shows",
            f"{facts['propose.seeds']} seed tasks, {facts.get('propose.generated', 0)} of its own",
        )
    mix = {key: float(facts.get(f"strategies.{key}", 0)) for key in ("paper", "spread", "query", "evolve", "document")}
    if any(mix[key] for key in mix if key != "paper"):
        yield "strategies", ", ".join(f"{key} {share:.0%}" for key, share in mix.items() if share)
    if facts.get("label.as", "task") != "task":
        yield "labels", f"as {facts['label.as']}, {facts.get('label.samples', 1)} of each"
    if "instances.most" in facts and facts.get("label.as", "task") == "task":
        yield "instances kept", f"{facts['instances.most']} of an instruction at most"
    if facts.get("constraints.share"):
        yield "constraints", f"on {facts['constraints.share']:.0%} of the instructions"
    if facts.get("semantic.measure"):
        yield "about the same", f"cosine above {facts['semantic.cosine']}, {_GATE[bool(facts.get('semantic.gate'))]}"
    if "seed" in facts:
        yield "seed", str(facts["seed"])


_GATE = {True: "dropped", False: "measured"}


def _took(timings: Sequence[Timing]) -> Took | None:
    if not timings:
        return None
    return Took(
        hours=sum(each.seconds for each in timings) / 3600,
        replica_seconds=sum(each.replica_seconds for each in timings),
        gpu_seconds=_sum([each.gpu_seconds for each in timings]),
        money=_sum([each.money for each in timings]),
        whole=all(each.ended for each in timings),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
