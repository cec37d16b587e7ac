"""What a run's data depends on, when the run was begun by another version of the program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.errors import FingerprintError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.records import Candidate, Origin, RoundFile, Table
from selfinstruct.run import facts as module
from selfinstruct.run.facts import ALGORITHMS, check_facts, filled, word_facts
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import facts_of, fingerprint_of
from selfinstruct.storage.store import RunStore

ANY = NoveltySettings(tokeniser="unicode")

NOW = {**facts_of(RunSettings()), **ALGORITHMS, "prompts": "p"}
OLDER = {key: fact for key, fact in NOW.items() if key not in ALGORITHMS}


def begun(folder: Path, facts: Mapping[str, Any]) -> RunStore:
    """A run of one seed task."""
    store = RunStore(str(folder))
    seed = Candidate("seed/a", 0, None, None, Origin.SEED, "Name a colour.", True, None, None, None)
    store.commit(RoundFile(Table.CANDIDATES, 0, (seed,), {"facts": facts}), fingerprint_of(facts))
    return store


def test_a_fact_that_came_later_counts_as_it_was_before(tmp_path: Path) -> None:
    check_facts(begun(tmp_path / "older", OLDER), NOW)
    check_facts(begun(tmp_path / "now", NOW), NOW)
    with pytest.raises(FingerprintError, match="prompts: the run has 'p', this command 'q'") as caught:
        check_facts(RunStore(str(tmp_path / "older")), {**NOW, "prompts": "q"})
    assert len(caught.value.problems) == 2
    assert filled(OLDER) == NOW


@pytest.mark.parametrize("facts", [NOW, OLDER])
def test_code_that_is_gone_is_named_with_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: Mapping[str, Any]
) -> None:
    store = begun(tmp_path / "run", facts)
    monkeypatch.setattr(module, "ALGORITHMS", {**ALGORITHMS, "reader": 2})
    with pytest.raises(FingerprintError) as caught:
        check_facts(store, {**NOW, "reader": 2})
    assert str(caught.value) == (
        f"{store.blobs.url}: this run goes by reader 1, which is gone (there is 2);"
        f" `selfinstruct generate --pool {store.blobs.url} --out NEW` begins another one with what it has accepted"
    )


def test_a_run_of_a_newer_algorithm_is_left_alone(tmp_path: Path) -> None:
    store = begun(tmp_path / "run", {**NOW, "tokeniser": 2})
    with pytest.raises(FingerprintError, match=r"tokeniser 2, which a newer version has; upgrade$"):
        check_facts(store, NOW)


def test_the_default_tokeniser_is_what_it_was() -> None:
    assert word_facts(NoveltySettings()) == {"tokeniser": 1}
    assert NOW["tokeniser"] == 1


def test_a_run_by_the_older_words_of_any_script_is_named_with_the_way_on(tmp_path: Path) -> None:
    older = {**facts_of(RunSettings(novelty=ANY)), **ALGORITHMS}
    now = {**older, **word_facts(ANY)}
    check_facts(begun(tmp_path / "now", now), now)
    with pytest.raises(FingerprintError, match=r"goes by tokeniser 1, which is gone \(there is 2\); .* --pool"):
        check_facts(begun(tmp_path / "older", older), now)


def test_tables_of_another_version_are_named_with_the_way_on(tmp_path: Path) -> None:
    now = {**facts_of(RunSettings(novelty=ANY)), **ALGORITHMS, **word_facts(ANY)}
    assert str(now["tables"]).startswith("regex 20")
    store = begun(tmp_path / "run", {**now, "tables": "regex 2024.11.6"})
    with pytest.raises(FingerprintError) as caught:
        check_facts(store, now)
    assert str(caught.value) == (
        f"{store.blobs.url}: this run finds words by the tables of regex 2024.11.6, and here is {now['tables']};"
        " `pip install regex==2024.11.6` goes on with it"
    )


def test_another_tokeniser_is_another_option_and_no_older_code(tmp_path: Path) -> None:
    others = {**facts_of(RunSettings(novelty=ANY)), **ALGORITHMS, **word_facts(ANY), "prompts": "p"}
    for name, begins, goes_on in (("one", NOW, others), ("other", others, NOW)):
        with pytest.raises(FingerprintError) as caught:
            check_facts(begun(tmp_path / name, begins), goes_on)
        line = f"novelty.tokeniser: the run has '{begins['novelty.tokeniser']}'"
        assert len(caught.value.problems) == 2
        assert caught.value.problems[1].startswith(line)
