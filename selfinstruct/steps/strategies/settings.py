"""What requests for instructions are made of: the mix of strategies, and the settings of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from selfinstruct.settings import option


@dataclass(frozen=True)
class ProposeSettings:
    """What each propose prompt shows.

    Args:
        seeds: Demonstrations drawn from the seed tasks.
        generated: Demonstrations drawn from the instructions the run has accepted; seeds stand in while it has too few.
    """

    seeds: int = option(6, least=0)
    generated: int = option(2, least=0)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.seeds + self.generated < 1:
            yield "seeds: is 0 and so is --propose.generated; a prompt shows one demonstration at least"


@dataclass(frozen=True)
class MixSettings:
    """Which share of the requests each strategy plans; the shares sum to 1.

    Args:
        paper: Demonstrations as in the paper, some seed tasks and some accepted instructions.
        spread: Demonstrations from the sparse parts of the pool.
        query: No demonstrations: a chat model writes the message of a user.
        evolve: One instruction of the pool, to be rewritten.
        document: A text of the user's, to which an instruction is to be found.
        auto: The shares are those of the first rounds; from then on they follow what each strategy brings.
        judged: What it brings counts by the share that the run's own check finds right. Say so only of a judge that
            people have found to be of use (`selfinstruct report`).
    """

    paper: float = option(1.0, least=0, most=1, before=1.0)
    spread: float = option(0.0, least=0, most=1, before=0.0)
    query: float = option(0.0, least=0, most=1, before=0.0)
    evolve: float = option(0.0, least=0, most=1, before=0.0)
    document: float = option(0.0, least=0, most=1, before=0.0)
    auto: bool = option(False, before=False)
    judged: bool = option(False, before=False)

    @property
    def names(self) -> Sequence[str]:
        """All strategies."""
        return [each.name for each in fields(self) if each.name not in ("auto", "judged")]

    @property
    def shares(self) -> Mapping[str, float]:
        """The strategies that have one, in the order of the fields."""
        return {name: share for name in self.names if (share := getattr(self, name))}

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if not math.isclose(total := math.fsum(self.shares.values()), 1, abs_tol=1e-6):
            told = ", ".join(f"{name} {share:g}" for name, share in self.shares.items()) or "all are 0"
            yield f"paper: the shares sum to {total:g} ({told}), must sum to 1; paper has 1 unless it is named, too"
        if self.auto and len(self.shares) < 2:
            yield "auto: has no more than one strategy to choose from; give two of them shares to begin with"
        if self.judged and not self.auto:
            yield "judged: is about what strategies.auto follows; set that, too"


@dataclass(frozen=True)
class SpreadSettings:
    """What the prompts of `spread` show.

    Args:
        seeds: Demonstrations drawn from the seed tasks.
        generated: Demonstrations from the cells of the pool, each cell being as likely as any other, however many
            instructions it holds; seeds stand in while there are too few.
    """

    seeds: int = option(2, least=0, before=2)
    generated: int = option(6, least=1, before=6)


@dataclass(frozen=True)
class EvolveSettings:
    """What becomes of instructions that were rewritten.

    Args:
        similar: One is dropped when its ROUGE-L with its parent is above this. With all others it is compared as any
            instruction is.
    """

    similar: float = option(0.9, least=0, below=1, before=0.9)


@dataclass(frozen=True)
class TextFiles:
    """Where the texts of `document` are.

    Args:
        files: Parquet files (.parquet) or files of JSON lines (.jsonl), local and not packed.
        column: The column that holds the text.
        id: The column that holds its name (default: its file and row are that).
        licence_column: The column that holds its licence.
    """

    files: tuple[str, ...] = option((), alters_data=False, in_recipes=True)
    column: str = option("text", alters_data=False, in_recipes=True)
    id: str = option("", alters_data=False, in_recipes=True)
    licence_column: str = option("", alters_data=False, in_recipes=True)


@dataclass(frozen=True)
class DocumentSettings(TextFiles):
    """The texts of `document`. What they hold is a fact of the run, where they lie is not.

    Args:
        files: Parquet files (.parquet) or files of JSON lines (.jsonl), local and not packed.
        column: The column that holds the text.
        id: The column that holds its name (default: its file and row are that).
        answer: Have the answer to an instruction written from its text. Otherwise it is labelled as any other.
        copied: Drop an answer of whose words a larger share stands word for word in its text (1: none is dropped).
        licence_column: The column that holds its licence.
        licence: The licence of the texts, for the rows and the card; of all those whose row names none.
        longest: Characters of a text that a prompt shows, at most.
    """

    licence: str = option("", alters_data=False, in_recipes=True)
    longest: int = option(6000, least=1, alters_data=False, in_recipes=True)
    answer: bool = option(True, before=False)
    copied: float = option(1.0, least=0, most=1, before=1.0)
