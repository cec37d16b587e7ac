"""How surprised a model is by the reference answers of tasks: a score that needs no answers, and no judge."""

from __future__ import annotations

from collections.abc import Sequence

from selfinstruct.engines import EngineSettings
from selfinstruct.engines.checkpoint import locate
from selfinstruct.finetune.encoding import encode, end_tokens
from selfinstruct.finetune.examples import Example


def reference_loss(model: EngineSettings, tasks: Sequence[Example], max_length: int, chat: bool) -> float:
    """The mean negative logarithm of the likelihood of a token of the tasks' outputs, the end included, in nats.

    Tasks are written as in a training (`encoding.encode`), in the same of the thirteen templates for every model. A
    task of which no token of the output fits is left out.

    Args:
        max_length: Most tokens of prompt and output; longer outputs are cut.
        chat: In the model's chat template.

    Raises:
        InputError: the model cannot be opened, or nothing fits.
    """
    import torch

    from selfinstruct.engines.generation import load

    at = locate(model)
    tokenizer, network = load(at, model.transformers)
    encoded = encode(tasks, tokenizer, end_tokens(at.folder, tokenizer), max_length, chat, seed=0).examples
    lost = count = 0.0
    with torch.inference_mode():
        for each in encoded:
            ids, labels = (torch.tensor([row], device=network.device) for row in (each.input_ids, each.labels))
            tokens = int((labels[:, 1:] >= 0).sum())
            lost += tokens * float(network(input_ids=ids, labels=labels).loss)
            count += tokens
    return lost / count
