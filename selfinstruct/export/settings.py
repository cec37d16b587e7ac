"""What only a person can say about a dataset. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from dataclasses import dataclass


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
