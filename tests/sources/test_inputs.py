"""What users give: seed tasks and prompt folders. Wrong ones are named by file and line or key, all at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.prompts import ONE_STEP, SHIPPED, TWO_STEPS, load_prompts
from selfinstruct.records import Instance, Kind
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds, unknown_kinds, warnings
from selfinstruct.steps.screen import Screen, ScreenSettings
from tests.tools.reading import BASE, TOLERANT_BASE, instances

GOOD = {"id": "a", "instruction": "Add the numbers.", "instances": [{"input": "1 2", "output": "3"}]} | {
    "is_classification": False
}


def write_lines(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_our_seed_tasks_are_many_and_varied() -> None:
    seeds = load_seeds(SEED_TASKS)
    assert len(seeds) >= 175
    assert sum(seed.is_classification for seed in seeds) >= 25
    assert sum(all(not each.input for each in seed.instances) for seed in seeds) >= len(seeds) / 4
    screen = Screen(ScreenSettings())
    assert not [seed.id for seed in seeds if screen(seed.instruction)]
    tokens = [tokenise(seed.instruction, "rouge") for seed in seeds]
    assert max(rouge_l(a, b) for i, a in enumerate(tokens) for b in tokens[:i]) <= 0.7


def test_the_original_releases_file_loads_as_it_is() -> None:
    folder = os.environ.get("SELFINSTRUCT_RELEASED_DATA")
    if not folder:
        pytest.skip("SELFINSTRUCT_RELEASED_DATA is not set")
    seeds = load_seeds(Path(folder) / "seed_tasks.jsonl")
    assert len(seeds) == 175
    assert sum(seed.is_classification for seed in seeds) == 26
    assert sum(not each.input for seed in seeds for each in seed.instances) == 50


def test_bad_lines_are_all_named(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "seeds.jsonl",
        GOOD,
        "{not json",
        {**GOOD, "id": "b", "instruction": " "},
        "",
        {**GOOD, "id": "c", "instances": [{"input": 3, "output": ""}], "is_classification": "no"},
        GOOD,
        "[]",
    )
    with pytest.raises(InputError) as caught:
        load_seeds(path)
    numbers = [problem.split(":")[1] for problem in caught.value.problems]
    assert numbers == ["2", "3", "5", "6", "7"]
    assert "is_classification" in caught.value.problems[2]
    assert "output" in caught.value.problems[2]
    assert "'a' is that of line 1" in caught.value.problems[3]


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_no_seed_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="holds no seed task"):
        load_seeds(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_seeds(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("name", ["base", "chat", "instruct", "tiny"])
def test_shipped_prompts_load(name: str) -> None:
    prompts = load_prompts(name)
    assert prompts.chat == (name in ("chat", "instruct"))
    assert prompts.kinds == (ONE_STEP if name == "instruct" else TWO_STEPS)


def test_the_base_prompts_have_the_papers_structure_and_sampling() -> None:
    prompts = load_prompts("base")
    propose = prompts[Kind.PROPOSE].sampling
    assert (propose.temperature, propose.top_p, propose.presence_penalty, propose.max_tokens) == (0.7, 0.5, 2, 1024)
    classify = prompts[Kind.CLASSIFY]
    assert (classify.sampling.temperature, classify.sampling.max_tokens) == (0, 3)
    assert classify.prefix.count("Is it classification? Yes") == 12
    assert classify.prefix.count("Is it classification? No") == 19
    assert prompts[Kind.INPUT_FIRST].prefix.count("Task:") == 17
    assert prompts[Kind.OUTPUT_FIRST].prefix.count("Task:") == 12


@pytest.mark.parametrize("name", ["base", "chat"])
@pytest.mark.parametrize("kind", [Kind.INPUT_FIRST, Kind.OUTPUT_FIRST])
def test_demonstrations_parse_as_completions_would(name: str, kind: Kind) -> None:
    for demonstration in load_prompts(name)[kind].prefix.split("Task:")[1:]:
        found = [instances(reader, kind, demonstration.partition("\n")[2]) for reader in (BASE, TOLERANT_BASE)]
        assert found[0] == found[1]
        assert found[0]
        assert all(instance.output for instance in found[0])


def test_a_prompt_folder_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(SHIPPED / "base", folder)
    assert load_prompts(str(folder)).digest == load_prompts("base").digest
    (folder / "set.toml").write_text('description = "mine"\nchat = true\n')
    assert load_prompts(str(folder)).chat
    assert load_prompts(str(folder)).digest != load_prompts("base").digest


def test_problems_of_a_prompt_folder_are_all_named(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(SHIPPED / "base", folder)
    (folder / "set.toml").unlink()
    (folder / "classify.toml").write_text('prefix = ""\nsuffix = "no placeholder"\ntail = ""\nextra = 1\n')
    text = (folder / "propose.toml").read_text()
    (folder / "propose.toml").write_text(text.replace("max_tokens = 1024", 'max_tokens = "many"'))
    with pytest.raises(InputError) as caught:
        load_prompts(str(folder))
    problems = str(caught.value)
    for part in ("set.toml: is missing", "unknown key 'extra'", "sampling.stop", "sampling.max_tokens must be"):
        assert part in problems
    with pytest.raises(InputError, match="there are: base, chat"):
        load_prompts("bsae")


def test_seeds_that_do_not_say_whether_they_are_classification(tmp_path: Path) -> None:
    unsaid = {key: value for key, value in GOOD.items() if key != "is_classification"}
    path = write_lines(
        tmp_path / "seeds.jsonl", GOOD, {**unsaid, "id": "b"}, {**GOOD, "id": "c", "is_classification": None}
    )
    seeds = load_seeds(path)
    assert [seed.is_classification for seed in seeds] == [False, None, None]
    (line,) = unknown_kinds(seeds)
    assert line.startswith("2 of 3 seed tasks do not say whether they are classification ('b' is the first)")
    assert line in warnings(seeds, 3)
    assert unknown_kinds(seeds[:1]) == []


def test_code_in_seeds_keeps_its_lines(tmp_path: Path) -> None:
    code = "    y = 2 * x\n    return y"
    seed = {
        **GOOD,
        "instruction": "Finish:\n  def f(x):",
        "instances": [{"input": f"{code}\n", "output": f"\r\n{code}\n"}],
    }
    (read,) = load_seeds(write_lines(tmp_path / "seeds.jsonl", seed))
    assert read.instruction == seed["instruction"]
    assert read.instances == (Instance(code, code),)
