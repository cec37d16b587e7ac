"""What a dataset holds, and what only a person can say about it. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from selfinstruct.quality.settings import OnlySettings
from selfinstruct.records import Origin
from selfinstruct.settings import SEEDS, option
from selfinstruct.sources.contamination import NGRAM


@dataclass(frozen=True, kw_only=True)
class LicenceSettings:
    """What is known of the data's sources. Where there are several models, say which: NAME=VALUE.

    Args:
        license: Licence of the dataset, an identifier of the hub (default: apache-2.0 where all sources are ours).
        model_name: Name of a model that was read from a folder (DIGEST=NAME where there are several).
        model_license: Licence of the model.
        model_outputs: What that licence says of outputs and of training on them.
        seeds_license: Licence of the seed tasks.
        pool_license: Licence of imported instructions.
    """

    license: str | None = None
    model_name: tuple[str, ...] = ()
    model_license: tuple[str, ...] = ()
    model_outputs: tuple[str, ...] = ()
    seeds_license: str | None = None
    pool_license: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetSettings(LicenceSettings, OnlySettings):
    """What is exported. Values for several models are given as NAME=VALUE each; a plain value is that of all models.

    Args:
        origins: Rows to export: those of the model, imported ones, seed tasks.
        validation: Share of the instructions that are set aside as the split validation.
        language: Languages of the texts, as codes of ISO 639 (default: en, where seed tasks and prompts are ours).
        seed: Seed of the shuffle and the split.
        decontaminate: Evaluation sets that rows are kept clear of: .jsonl, .json, .parquet, or folders of
            natural-instructions tasks.
        ngram: Tokens in a row that a text may not share with an evaluation set.
        samples: Of several rows of an instruction all, or the best: the first that passes the check in all it asks;
            without a check, the first.
        thoughts: Give what the model thought before its outputs, as reasoning_content of the assistant's messages.
        preference: Write pairs for preference tuning, too: of an instruction a sample that passed the check, and one
            that failed.
    """

    origins: tuple[Origin, ...] = (Origin.MODEL, Origin.IMPORTED)
    validation: float = option(0.0, least=0, below=1)
    language: tuple[str, ...] = ()
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    decontaminate: tuple[str, ...] = ()
    ngram: int = option(NGRAM, least=2)
    samples: Literal["all", "best"] = "all"
    thoughts: bool = False
    preference: bool = False
