"""What `bench engine` measures on: a model with random weights, requests of real prompts, and both ways to complete
them. `engine` says what is measured and how it is to be read."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from selfinstruct.draws import seed_of
from selfinstruct.pool import Pool
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.records import Completion, Kind, Request
from selfinstruct.run.given import seed_candidates
from selfinstruct.settings import SEEDS, option
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.strategies.listed import Paper
from selfinstruct.steps.strategies.planned import PoolView
from selfinstruct.steps.strategies.settings import ProposeSettings

if TYPE_CHECKING:
    from selfinstruct.engines.encoding import EncodedRequest, PromptEncoder
    from selfinstruct.engines.transformers import TransformersEngine

SHAPES: Mapping[str, Mapping[str, int]] = {
    "1m": {"hidden": 128, "inner": 256, "layers": 4, "heads": 4, "kv_heads": 2, "vocabulary": 3_072},
    "19m": {"hidden": 384, "inner": 1_024, "layers": 8, "heads": 6, "kv_heads": 3, "vocabulary": 8_192},
    "1b": {"hidden": 2_048, "inner": 8_192, "layers": 16, "heads": 32, "kv_heads": 8, "vocabulary": 128_256},
    "8b": {"hidden": 4_096, "inner": 14_336, "layers": 32, "heads": 32, "kv_heads": 8, "vocabulary": 128_256},
}
"""Llama's, by what they are called here; the last two are those of Llama 3."""

KINDS = (Kind.PROPOSE, Kind.CLASSIFY, Kind.INPUT_FIRST)
WARMING, TIMED = 10, 20
"""Steps before those that are timed, and these."""

NEVER = "\ue000\ue001"
"""A stop string that no text holds: looked for like any other, never found."""


@dataclass(frozen=True)
class EngineBenchSettings:
    """Measure the transformers engine against plain generation.

    Args:
        out: Folder for engine.json; without it there is the table only.
        size: Shape of the model: 1m, 19m, 1b or 8b parameters.
        device: Where it runs (auto: the first GPU, else the CPU).
        dtype: Number format of weights and activations (auto: float32 on the CPU, bfloat16 on a GPU).
        prompts: The prompt set.
        plain: Requests of each kind that plain generation completes.
        plain_batch: Requests in one of its batches.
        times: How many times as many the engine completes, of each kind.
        repeats: How often everything is measured, with other requests of the same lengths.
        proposals: Propose requests in the round.
        accepted: Instructions that each of them gives.
        propose_mean: Mean tokens of a completion.
        classify_mean: Mean tokens of a completion.
        instantiate_mean: Mean tokens of a completion.
        in_flight: Requests that the engine holds at most.
        tokens_per_batch: The engine's option of this name.
        seed: Of weights, requests and lengths.
    """

    out: str | None = None
    size: str = "19m"
    device: str = "auto"
    dtype: str = "auto"
    prompts: str = "base"
    plain: int = option(16, least=1)
    plain_batch: int = option(16, least=1)
    times: int = option(8, least=1)
    repeats: int = option(3, least=1)
    proposals: int = option(32, least=1)
    accepted: int = option(3, least=1)
    propose_mean: float = option(200.0, least=1)
    classify_mean: float = option(3.0, least=1)
    instantiate_mean: float = option(60.0, least=1)
    in_flight: int = option(64, least=1)
    tokens_per_batch: int | None = option(None, least=1)
    seed: int = option(0, least=0, most=SEEDS[1])

    def problems(self) -> Iterator[str]:
        """There are so many sizes."""
        if self.size not in SHAPES:
            yield f"size: there is no {self.size!r}; take one of {', '.join(SHAPES)}"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long some requests took."""

    requests: int
    prompt_tokens: int
    new_tokens: int
    seconds: float
    processor_seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Trial:
    """Requests of one kind by both ways, one right after the other."""

    plain: Pace
    engine: Pace


@dataclass(frozen=True, slots=True)
class Steps:
    """How long a step takes in which each row gets a token."""

    rows: int
    seconds: float
    least_seconds: float
    """What it takes at least: reading all there is from memory, or multiplying by all weights, whichever is longer."""


def geometric(mean: float, count: int, most: int, draws: random.Random) -> list[int]:
    """So many lengths, geometric with this mean, at even quantiles and in random order; none above `most`."""
    if mean <= 1:
        return [1] * count
    stay = math.log1p(-1 / mean)
    lengths = [min(most, 1 + int(math.log1p(-(at + 0.5) / count) / stay)) for at in range(count)]
    draws.shuffle(lengths)
    return lengths


class Bed:
    """The model, and both ways of completing requests with it."""

    def __init__(self, settings: EngineBenchSettings) -> None:
        import torch
        from transformers import AutoTokenizer

        from selfinstruct.engines import TransformersOptions
        from selfinstruct.engines.generation import Generator, device_of
        from selfinstruct.engines.transformers import TransformersEngine
        from selfinstruct.tiny import MODEL

        self._settings = settings
        self._torch = torch
        self._device = device_of(TransformersOptions(device=settings.device))
        self._draws = random.Random(settings.seed)
        self._prompts = _never_stopping(load_prompts(settings.prompts))
        self._texts = Texts(self._prompts, settings.seed)
        tokenizer = AutoTokenizer.from_pretrained(MODEL)
        self._lengths: dict[str, int] = {}
        self._encoder = _imposing(tokenizer, self._prompts, self._lengths)
        self._model = self._made()
        self._plain_attention = self._model.config._attn_implementation
        prefixes = {kind: self._encoder.frame(kind)[0] for kind in self._prompts.kinds}
        self._generator = Generator(tokenizer, self._model, self._prompts, prefixes, set())
        self._engine_attention = self._model.config._attn_implementation
        given = settings.tokens_per_batch
        self.tokens_per_batch = self._generator.capacity if given is None else given
        self._engine: TransformersEngine = TransformersEngine(
            self._encoder, self._generator, self._prompts, self.tokens_per_batch
        )

    @property
    def threads(self) -> int:
        """Of torch."""
        return int(self._torch.get_num_threads())

    @property
    def device_name(self) -> str:
        """The GPU's name, or cpu."""
        on_gpu = self._device.type == "cuda"
        return str(self._torch.cuda.get_device_name(self._device)) if on_gpu else self._device.type

    @property
    def parameters(self) -> int:
        """Of the model."""
        return sum(each.numel() for each in self._model.parameters())

    @property
    def dtype(self) -> str:
        """Of the model's weights."""
        return str(self._model.dtype).removeprefix("torch.")

    @property
    def attention(self) -> list[str]:
        """Plain generation's attention and the engine's."""
        return [self._plain_attention, self._engine_attention]

    def constant(self, kind: Kind) -> tuple[int, float]:
        """Tokens that all prompts of a kind begin with, and the seconds that computing them once takes."""
        (warm,) = self._requests(kind, 1, "warm")
        first, again = (self._timed(lambda: self._complete([warm]), [warm]) for _ in range(2))
        return len(self._encoder.frame(kind)[0]), max(0.0, first.seconds - again.seconds)

    def trial(self, kind: Kind, label: str) -> Trial:
        """Requests of one kind by both ways."""
        settings = self._settings
        few = self._requests(kind, settings.plain, f"{label}/plain")
        many = self._requests(kind, settings.plain * settings.times, f"{label}/engine")
        encoded = [self._encoder.encode(request) for request in few]
        plain = self._timed(lambda: self._generate(encoded), few)
        return Trial(plain, self._timed(lambda: self._complete(many), many))

    def round(self, label: str) -> Pace:
        """A round with all kinds in the engine at once."""
        settings = self._settings
        share = settings.proposals * settings.accepted
        proposals = self._requests(Kind.PROPOSE, settings.proposals, label)
        following = {
            Kind.PROPOSE: deque(self._requests(Kind.CLASSIFY, share, label)),
            Kind.CLASSIFY: deque(self._requests(Kind.INPUT_FIRST, share, label)),
        }
        everything = [*proposals, *(one for queue in following.values() for one in queue)]
        kinds = {request.id: request.kind for request in everything}

        def after(completion: Completion) -> list[Request]:
            kind = kinds[completion.request_id]
            count = {Kind.PROPOSE: settings.accepted, Kind.CLASSIFY: 1}.get(kind, 0)
            return [following[kind].popleft() for _ in range(count)]

        return self._timed(lambda: self._complete(proposals, after), everything)

    def steps(self, kind: Kind) -> Steps:
        """Steps of as many requests of a kind as may be under way, none of which ends."""
        requests = self._requests(kind, self._settings.in_flight, "steps")
        encoded = [dataclasses.replace(self._encoder.encode(request), room=WARMING + TIMED + 2) for request in requests]
        longest = max(map(self._generator.columns, encoded))
        while len(encoded) > 1 and self._generator.cost(kind, len(encoded), longest) > self.tokens_per_batch:
            encoded.pop()
        self._generator.join(encoded)
        for _ in range(WARMING):
            self._generator.step()
        self._settle()
        begun = time.perf_counter()
        for _ in range(TIMED):
            self._generator.step()
        self._settle()
        seconds = (time.perf_counter() - begun) / TIMED
        self._generator.clear()
        rows, config = len(encoded), self._model.config
        weights = self.parameters - config.vocab_size * config.hidden_size
        held = self._generator.cost(kind, 0, 0) + sum(map(self._generator.columns, encoded))
        numbers = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
        read = self._torch.finfo(self._model.dtype).bits // 8 * (weights + numbers * (held + rows * WARMING))
        return Steps(rows, seconds, max(read / self._bandwidth, 2 * rows * weights / self._arithmetic))

    @cached_property
    def _bandwidth(self) -> float:
        """Bytes a second of a copy, read and written."""
        source = self._torch.ones(2**28, device=self._device)
        target = self._torch.empty_like(source)
        return 2 * source.nbytes / self._seconds_of(lambda: target.copy_(source))

    @cached_property
    def _arithmetic(self) -> float:
        """Operations a second of a matrix product."""
        size = 8192 if self._device.type == "cuda" else 2048
        factor = self._torch.randn(size, size, device=self._device).to(self._model.dtype)
        return 2 * size**3 / self._seconds_of(lambda: factor @ factor)

    def _seconds_of(self, work: Callable[[], object]) -> float:
        """The median of several times."""
        found = []
        for _ in range(7):
            self._settle()
            begun = time.perf_counter()
            work()
            self._settle()
            found.append(time.perf_counter() - begun)
        return median(found)

    def _requests(self, kind: Kind, count: int, label: str) -> list[Request]:
        settings = self._settings
        mean = {Kind.PROPOSE: settings.propose_mean, Kind.CLASSIFY: settings.classify_mean}
        most = self._prompts[kind].sampling.max_tokens
        if kind is Kind.CLASSIFY:
            lengths = [min(most, round(settings.classify_mean))] * count
        else:
            lengths = geometric(mean.get(kind, settings.instantiate_mean), count, most, self._draws)
        requests = [self._texts.request(kind, f"{label}/{kind}/{at:05d}") for at in range(count)]
        self._lengths.update((one.id, length) for one, length in zip(requests, lengths, strict=True))
        return requests

    def _generate(self, encoded: Sequence[EncodedRequest]) -> None:
        """Plain generation, in batches."""
        torch, size = self._torch, self._settings.plain_batch
        with self._attention(self._plain_attention):
            for start in range(0, len(encoded), size):
                batch = encoded[start : start + size]
                width = max(len(one.ids) for one in batch)
                ids = torch.tensor([[0] * (width - len(one.ids)) + one.ids for one in batch])
                mask = torch.tensor([[0] * (width - len(one.ids)) + [1] * len(one.ids) for one in batch])
                self._model.generate(
                    ids.to(self._device),
                    attention_mask=mask.to(self._device),
                    max_new_tokens=max(one.room for one in batch),
                    do_sample=False,
                    pad_token_id=0,
                )

    def _complete(
        self, requests: Sequence[Request], after: Callable[[Completion], list[Request]] | None = None
    ) -> None:
        """The engine, fed as a pool feeds a replica."""
        waiting, held = deque(requests), 0
        while waiting or held:
            share = min(len(waiting), self._settings.in_flight - held)
            self._engine.add([waiting.popleft() for _ in range(share)])
            done = self._engine.step()
            held += share - len(done)
            for completion in done if after else ():
                assert after is not None
                waiting.extend(after(completion))

    def _timed(self, work: Callable[[], None], requests: Sequence[Request]) -> Pace:
        encoded = [self._encoder.encode(request) for request in requests]
        self._settle()
        clock, processor = time.perf_counter(), time.process_time()
        work()
        self._settle()
        seconds, processor_seconds = time.perf_counter() - clock, time.process_time() - processor
        prompt_tokens, new_tokens = sum(len(one.ids) for one in encoded), sum(one.room for one in encoded)
        return Pace(len(encoded), prompt_tokens, new_tokens, seconds, processor_seconds)

    def _settle(self) -> None:
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    @contextmanager
    def _attention(self, name: str) -> Iterator[None]:
        self._model.set_attn_implementation(name)
        try:
            yield
        finally:
            self._model.set_attn_implementation(self._engine_attention)

    def _made(self) -> Any:
        """A model with random weights, whose next tokens are about as uncertain as a trained model's."""
        from transformers import AutoModelForCausalLM, LlamaConfig

        shape, torch = SHAPES[self._settings.size], self._torch
        config = LlamaConfig(
            hidden_size=shape["hidden"],
            intermediate_size=shape["inner"],
            num_hidden_layers=shape["layers"],
            num_attention_heads=shape["heads"],
            num_key_value_heads=shape["kv_heads"],
            vocab_size=shape["vocabulary"],
            max_position_embeddings=8_192,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=None,
        )
        dtype = self._settings.dtype
        if dtype == "auto":
            dtype = "bfloat16" if self._device.type == "cuda" else "float32"
        torch.manual_seed(self._settings.seed)
        with self._device:
            model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).eval()
        with torch.no_grad():
            model.lm_head.weight.mul_(200 / math.sqrt(shape["hidden"]))  # logits with a deviation of about 4
        return model


def _never_stopping(prompts: PromptSet) -> PromptSet:
    def unstopped(kind: Kind) -> Any:
        prompt = prompts[kind]
        return dataclasses.replace(prompt, sampling=dataclasses.replace(prompt.sampling, stop=(NEVER,)))

    return dataclasses.replace(prompts, prompts={kind: unstopped(kind) for kind in prompts.kinds})


def _imposing(tokenizer: Any, prompts: PromptSet, lengths: Mapping[str, int]) -> PromptEncoder:
    """An encoder that gives each request room for its imposed length only."""
    from selfinstruct.engines.encoding import PromptEncoder

    class Imposing(PromptEncoder):
        def encode(self, request: Request) -> EncodedRequest:
            return dataclasses.replace(super().encode(request), room=lengths[request.id])

    return Imposing(tokenizer, prompts)


class Texts:
    """Requests as the first round of a run makes them, all from the seed tasks."""

    def __init__(self, prompts: PromptSet, seed: int) -> None:
        self._prompts = prompts
        self._seed = seed
        self._seeds = load_seeds(SEED_TASKS)
        self._pool = Pool()
        self._pool.extend(list(seed_candidates(self._seeds)))
        self._draws = random.Random(seed)

    def request(self, kind: Kind, id: str) -> Request:
        """A request of a kind."""
        if kind is Kind.PROPOSE:
            strategy = Paper(ProposeSettings(), self._seed, self._prompts)
            return strategy.plan(id, PoolView(self._pool, len(self._pool))).request
        suffix = self._prompts[kind].fill(instruction=self._draws.choice(self._seeds).instruction)
        return Request(id, kind, suffix, seed_of("request", self._seed, id))
