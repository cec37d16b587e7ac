"""The dataset's card, and the settings by which other tools find its data. Values in, texts out.

Nothing that a model wrote gets onto the card.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

import yaml

from selfinstruct.export.contents import Contents
from selfinstruct.export.forms import FORMS, OPENAI, ORIGINAL, PREFERENCE
from selfinstruct.export.rows import CONSTRAINT, COPIED, LICENCE, PASS_RATE, SOURCE, THOUGHT
from selfinstruct.quality.constraints import ALL
from selfinstruct.records import Kind, Table
from selfinstruct.run.makers import Model
from selfinstruct.steps.ngrams import FOUND
from selfinstruct.version import __version__


def card(contents: Contents) -> str:
    """README.md without its front matter."""
    sections = [
        f"# {contents.short}\n\n{_summary(contents)}",
        f"## Opening it\n\n{_opening(contents)}",
        f"## What is in it\n\n{_configs(contents)}\n\n{_COLUMNS}{_more_columns(contents)}",
        f"## How it was made\n\n{_making(contents)}",
        f"## What was dropped\n\n{_dropped(contents)}",
        *([f"## Constraints\n\n{_constraints(contents)}"] if contents.constraints else []),
        f"## Overlap with evaluation sets\n\n{_contamination(contents)}",
        f"## Licences\n\n{_licences(contents)}",
        f"## Limits\n\n{_LIMITS}",
    ]
    return "\n\n".join(sections) + "\n"


def llama_factory(contents: Contents) -> str:
    """`dataset_info.json`: each form that LLaMA-Factory reads, for each split."""
    roles = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    alpaca = {"prompt": "instruction", "query": "input", "response": "output"}
    entries: dict[str, Any] = {}
    for split in contents.rows:
        ending = "" if split == "train" else f"_{split}"
        entries[f"{contents.short}_alpaca{ending}"] = {"file_name": f"alpaca/{split}", "columns": alpaca}
        entries[f"{contents.short}_messages{ending}"] = {
            "file_name": f"messages/{split}",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": roles,
        }
    return json.dumps(entries, indent=2) + "\n"


def axolotl(contents: Contents) -> str:
    """`axolotl.yaml`: this dataset as axolotl reads it, and the least that a training needs besides."""

    def entry(split: str) -> dict[str, Any]:
        return {
            "path": contents.local,
            "name": "messages",
            "split": split,
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
        }

    train, *others = contents.rows
    lines = {
        "base_model": "MODEL",
        "datasets": [entry(train)],
        **({"test_datasets": list(map(entry, others))} if others else {}),
        "chat_template": "tokenizer_default_fallback_chatml",
        "sequence_len": 2048,
        "micro_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "num_epochs": 2,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
        "learning_rate": 2e-5,
        "output_dir": "./tuned",
    }
    return yaml.safe_dump(lines, sort_keys=False)


def _summary(contents: Contents) -> str:
    total = sum(contents.rows.values())
    return (
        f"{total:,} instances of instruction, input and output, made with Self-Instruct"
        " ([Wang et al. 2022](https://arxiv.org/abs/2212.10560)): a language model proposed instructions from a small"
        " set of seed tasks, those too similar to earlier ones were dropped, and a model wrote inputs and outputs for"
        f" the others. {contents.quality}"
    )


def _opening(contents: Contents) -> str:
    remote = "/" in contents.name
    path, folder = shlex.quote(contents.local), "FOLDER" if remote else shlex.quote(contents.local)
    files = f"hf://datasets/{contents.name}" if remote else contents.local
    where = "`FOLDER` is a copy of this repository." if remote else "Give them in the folder in which this one lies."
    return f"""One line each, `MODEL` being the model to train. {where}

```python
from datasets import load_dataset

rows = load_dataset({json.dumps(contents.local)}, "prompt_completion", split="train")  # of the configs below
rows = load_dataset("json", data_files={json.dumps(files + f"/{OPENAI}/train/*.jsonl")}, split="train")
```

```sh
trl sft --model_name_or_path MODEL --dataset_name {path} --dataset_config prompt_completion --output_dir tuned
llamafactory-cli train --stage sft --do_train --model_name_or_path MODEL --template default --output_dir tuned \\
    --dataset_dir {folder} --dataset {shlex.quote(contents.short + "_alpaca")}
axolotl train {folder}/axolotl.yaml --base-model MODEL
```

`prompt_completion` trains any model. `messages` needs a tokenizer with a chat template, which base models do not have:
take an instruct model, or give it a template."""


def _configs(contents: Contents) -> str:
    what = {
        "prompt_completion": "`prompt`, `completion`: one template, `Task: ... Input: ... Output:`",
        "messages": "`messages`: a user's turn (the instruction, an empty line, the input) and an assistant's",
        "conversations": "`conversations`: the same as ShareGPT has it, `from` and `value` of `human` and `gpt`",
        "alpaca": "`instruction`, `input`, `output`, as Stanford Alpaca names them",
        "default": "`instruction`, `input`, `output`, `is_classification`",
        ORIGINAL: "`instruction`, `input`, `output` and nothing else, as in the original release; as JSON lines, too",
        OPENAI: "no config, JSON lines with `messages` and nothing else, for OpenAI's fine-tuning",
    }
    splits = ", ".join(f"{split} {rows:,}" for split, rows in contents.rows.items())
    lines = [f"| `{form}` | {what[form]} |" for form in FORMS]
    return (
        "\n".join(["| config | columns |", "|---|---|", *lines])
        + f"\n\nRows: {splits}. All configs hold the same rows in the same order, shuffled under seed {contents.seed}."
        + (_ASIDE.format(contents.validation) if contents.validation else "")
        + _of_samples(contents)
    )


_ASIDE = (
    " {:.3g} of the instructions are set aside for validation, by a hash of their ids; no instruction is in two splits."
)


def _of_samples(contents: Contents) -> str:
    text = " Of several answers to an instruction there is the best one alone." if contents.best else ""
    if contents.pairs is None:
        return text
    pairs, without = sum(contents.pairs.rows.values()), contents.pairs.without
    return text + (
        f"\n\nThe config `{PREFERENCE}` has other rows: {pairs:,} pairs of answers to one instruction, of which"
        f" `chosen` passed a check and `rejected` failed it; {without:,} instructions have none. `prompt`, `chosen` and"
        " `rejected` are lists of messages, as TRL's `DPOTrainer` reads them; the other columns are those of the chosen"
        " row, and `rejected_id`."
    )


def _more_columns(contents: Contents) -> str:
    lines = [
        f"\n| `{name}` | {what} |"
        for name, what, there in (
            (
                "polisher`, `polisher_revision",
                "the model that wrote the output anew, where one did",
                any(makers.polisher for makers in contents.makers),
            ),
            (
                CONSTRAINT,
                "what the end of the instruction demands: JSON, a list of kind, arguments and wording; null: nothing",
                bool(contents.constraints),
            ),
            (
                f"{SOURCE}`, `{LICENCE}",
                "the document that the instruction was made for, and its licence",
                contents.licences.documents,
            ),
            (
                COPIED,
                f"the share of the output's words that stand in runs of {FOUND} or more in its document, too; null: it"
                " was not written from one",
                contents.licences.documents,
            ),
            (PASS_RATE, "the share of the instruction's judged rows that pass the check", contents.rated),
            (THOUGHT, "what the model thought before its output; `reasoning_content` of messages", contents.thoughts),
        )
        if there
    ]
    return "".join(lines)


_COLUMNS = """Every row of every config but `original` says where it comes from:

| column | |
|---|---|
| `id`, `instruction_id`, `round` | of the instance and its instruction in the run, and the round that made it |
| `origin` | `model`, `seed` (written by a person) or `imported` |
| `proposer`, `proposer_revision` | the model that proposed the instruction; its commit or the digest of its weights |
| `labeller`, `labeller_revision` | the model that classified it and wrote input and output |
| `prompts` | the prompt set, by name, or by digest where it is not a shipped one |
| `demonstrations` | ids of the instructions that the prompt showed |
| `nearest_id`, `rouge_l` | the nearest earlier instruction found and its ROUGE-L F, a lower bound |
| `strategy`, `sources` | how the instruction was asked for, and what else it was made from (document, licence) |"""


def _making(contents: Contents) -> str:
    facts, lines = contents.facts, []
    for makers in contents.makers:
        same = makers.proposer == makers.labeller
        for role, model in (("proposing", makers.proposer), ("labelling", makers.labeller)):
            if role == "proposing" or not same:
                revision = f", revision `{model.revision}`" if model.revision else ", revision unknown"
                lines.append(f"- Model {'for everything' if same else 'for ' + role}: `{model.name}`{revision}.")
        lines.append(f"- Prompts: `{makers.prompts}`.")
        if makers.polisher:
            lines.append(_of_polishing(makers.polisher, makers.drafted, contents))
    if "novelty.threshold" in facts:
        lines.append(
            f"- An instruction was dropped if its ROUGE-L F with an earlier one was above {facts['novelty.threshold']}"
            f" (index: {facts.get('novelty.index')}, tokens: {facts.get('novelty.tokeniser')})."
        )
    if "instances.most" in facts:
        lines.append(f"- At most {facts['instances.most']} instances of an instruction were kept.")
    rounds = f"{contents.finished_rounds} round{'' if contents.finished_rounds == 1 else 's'}"
    lines.append(f"- Rows of {rounds}, of origin {' or '.join(contents.origins)}.")
    lines.append(f"- Exported by selfinstruct {__version__}, edition `{contents.edition}`.")
    return "\n".join(dict.fromkeys(lines))


def _of_polishing(model: Model, drafted: bool, contents: Contents) -> str:
    asked = contents.totals[Table.LABELS][f"{Kind.POLISH}.requests"]
    draft = "and was shown the old one" if drafted else "without seeing the old one"
    revision = f", revision `{model.revision}`" if model.revision else ", revision unknown"
    return f"- Model that wrote {asked:,} outputs anew, {draft}: `{model.name}`{revision}."


def _dropped(contents: Contents) -> str:
    candidates, instances = contents.totals[Table.CANDIDATES], contents.totals[Table.INSTANCES]
    lines = [
        "| | instructions and requests | instances |",
        "|---|--:|--:|",
        f"| accepted | {candidates['accepted']:,} | {instances['instances.accepted']:,} |",
    ]
    if imported := candidates["accepted.imported"]:
        lines.append(f"| imported | {imported:,} | |")
    first, second = "rejected.", "instances.rejected."
    reasons = {key[len(first) :] for key in candidates if key.startswith(first)}
    reasons |= {key[len(second) :] for key in instances if key.startswith(second)}
    for reason in sorted(reasons, key=lambda name: (-candidates[first + name], -instances[second + name], name)):
        lines.append(f"| {reason} | {candidates[first + reason]:,} | {instances[second + reason]:,} |")
    return "\n".join(lines)


def _constraints(contents: Contents) -> str:
    """How many rows of the run were asked for something that code can check, and how many outputs did it."""
    whole = next(each for each in contents.constraints if each.kind == ALL)
    rows = contents.totals[Table.INSTANCES]["instances.accepted"]
    lines = [
        f"| {each.kind} | {each.asked:,} | {each.share:.1%} | {each.interval[0]:.1%} to {each.interval[1]:.1%} |"
        for each in contents.constraints
    ]
    return (
        f"The instructions of {whole.kept:,} of the {rows:,} rows that the run has accepted end in one or two"
        " constraints on the output, which code has checked; outputs that break them were"
        " dropped (`breaks_constraint`). The column `constraint` has"
        " them, so that any other output can be checked alike and the check may serve as a verifiable reward:"
        "\n\n```python\nfrom selfinstruct.constraints import holds, read\n\n"
        'reward = float(all(holds(each, output) for each in read(row["constraint"])))\n```\n\n'
        "How often the labelling model did what was demanded, of outputs that nothing else drops (95 % intervals):\n\n"
        + "\n".join(["| kind | outputs | kept | |", "|---|--:|--:|---|", *lines])
    )


def _contamination(contents: Contents) -> str:
    return "\n\n".join(contents.contamination) or "Not checked."


def _licences(contents: Contents) -> str:
    licences = contents.licences
    lines = [f"The dataset: {licences.dataset}. What it was made from:", ""]
    for each in licences.models:
        lines.append(f"- Model `{each.model.name}`: {each.license}. Of outputs: {each.outputs.rstrip('.')}.")
    lines.append(f"- Seed tasks: {licences.seeds}.")
    if licences.pool:
        lines.append(f"- Imported instructions: {licences.pool}.")
    if licences.documents:
        lines.append(f"- Documents of {sum(contents.documents.values()):,} rows, which `source` and `licence` tell:")
        told = sorted(contents.documents.items(), key=lambda each: (-each[1], each[0]))
        lines += [f"  - {licence or 'licence not said'}: {rows:,} row{'s' * (rows != 1)}" for licence, rows in told]
    return "\n".join(lines)


_LIMITS = (
    "Outputs may be wrong, and were not checked for truth, harm or personal data; in the paper an expert found 54 % of"
    " the instances right in all respects. The instructions carry the leanings of the model and of the seed tasks."
)
