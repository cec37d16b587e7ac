"""What stands behind each round of a run, as its files tell it.

A run's facts are those of round 0. Where a run was put together from others, or carried on after an import, the notes
of a later round's proposals have the facts that hold from there on: models and prompts above all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from selfinstruct.errors import InputError
from selfinstruct.prompts import SHIPPED, PromptSet, load_prompts
from selfinstruct.records import Dialect, Kind, RoundFile, Table
from selfinstruct.settings import Facts
from selfinstruct.storage.store import RunStore


def is_of_makers(key: str) -> bool:
    """Whether a fact is about models or prompts."""
    return key == "prompts" or key.startswith(
        ("prompts.", "sampling.", "proposer.", "labeller.", "polisher.", "polish.")
    )


def facts_by_round(store: RunStore) -> Iterator[tuple[int, Facts]]:
    """The facts that hold from a round on, beginning with round 0; reads the footers of the proposals."""
    facts = dict(store.metadata(Table.CANDIDATES, 0).facts)
    yield 0, facts
    for number in store.rounds(Table.PROPOSALS):
        if later := store.metadata(Table.PROPOSALS, number).notes.get("facts"):
            facts = {**{key: value for key, value in facts.items() if not is_of_makers(key)}, **later}
            yield number, facts


def complete_rounds(store: RunStore) -> range:
    """The rounds after round 0 whose instances are there; where nothing is labelled, those with candidates."""
    last = Table.INSTANCES if is_labelled(store) else Table.CANDIDATES
    return range(1, len(store.rounds(last)))


def is_labelled(store: RunStore) -> bool:
    """Whether instructions get instances in this run; where they do not, it ends with its candidates."""
    facts: Facts = store.metadata(Table.CANDIDATES, 0).notes.get("facts", {})
    return facts.get(FORM) != "none"


POLISHED = "/polish"
"""What follows on an instance's id in the id of the request for another output."""


def polished_ids(store: RunStore, number: int) -> list[str]:
    """The ids of a round's instances whose outputs were written anew."""
    if number not in store.rounds(Table.LABELS):
        return []
    labels = store.read_columns(Table.LABELS, number, ["request_id", "kind"]).to_pylist()
    return [row["request_id"].removesuffix(POLISHED) for row in labels if row["kind"] == Kind.POLISH]


def of_documents(store: RunStore) -> bool:
    """Whether any request of a run, or of those that it was merged from, could show a document."""
    return any("documents" in facts for _, facts in facts_by_round(store))


def check_labelled(store: RunStore) -> None:
    """InputError for a run in which nothing is labelled."""
    if not is_labelled(store):
        raise InputError(
            f"{store.blobs.url}: nothing is labelled in this run (label.as none): its instructions have no outputs;"
            f" `selfinstruct label {store.blobs.url} --out NEW` makes a run in which they have"
        )


POLISHER = "polisher.engine"
"""The fact by which a run is known whose outputs, or some of them, another model has written anew."""

FORM = "label.as"
"""The fact that says in which form a run's instructions are labelled."""


def prompts_name(facts: Facts) -> str:
    """The name of a shipped prompt set, else the digest of its files."""
    digest = str(facts.get("prompts", ""))
    known = shipped_prompts().get(digest)
    return known.name if known else digest


def dialect_of(store: RunStore, proposals: RoundFile) -> Dialect:
    """How a round's completions are to be read.

    Raises:
        InputError: the file does not say, and its prompts are not shipped ones.
    """
    if "dialect" in proposals.notes:
        return Dialect(proposals.notes["dialect"])
    facts = store.metadata(Table.CANDIDATES, 0).facts
    prompts = shipped_prompts().get(str(facts.get("prompts", "")))
    if prompts is None:
        raise InputError(
            f"{store.blobs.url}: round {proposals.round} does not say whether its prompts were a chat's, and they are"
            " not of a shipped prompt set; it was made by an older version"
        )
    return prompts.dialect


@cache
def shipped_prompts() -> Mapping[str, PromptSet]:
    """The prompt sets that come with the project, by the digest that a run's facts have."""
    names = [path.parent.name for path in SHIPPED.glob("*/set.toml")]
    sets = [load_prompts(name) for name in names]
    sets += [load_prompts(name, "answer") for name in names if (SHIPPED / name / f"{Kind.ANSWER}.toml").exists()]
    return {prompts.digest: prompts for prompts in sets}
