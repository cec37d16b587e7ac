"""What a report says: figures against plain counting, exact scores against brute force, draws, verbs, reviews."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.prompts import load_prompts
from selfinstruct.quality.sheets import PAPER, read_answers, summarise
from selfinstruct.records import (
    Candidate,
    Finish,
    ImportedTask,
    Instance,
    InstanceRow,
    Label,
    Origin,
    Proposal,
    Reason,
    RoundFile,
    Table,
)
from selfinstruct.report.charts import BarChart, Curve, acceptance, bar_chart, growth, sunburst
from selfinstruct.report.common import mark_common
from selfinstruct.report.figures import (
    Figures,
    RoundFigures,
    VerbCount,
    VerbFigures,
    make_figures,
    verb_figures,
)
from selfinstruct.report.gather import PARTNER, Gathered, gather
from selfinstruct.report.histograms import histogram_of_scores, histogram_of_words
from selfinstruct.report.lots import Lot
from selfinstruct.report.made import Made, Took, made
from selfinstruct.report.overlap import Overlap
from selfinstruct.report.reasons import explained
from selfinstruct.report.settings import FigureSettings
from selfinstruct.report.verbs import VerbObject, open_tagger
from selfinstruct.reuse.replay import replay
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage, Write
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of, fingerprint_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.timings import Timing, write_timing
from tests.tools.runs import make_run

IMPORTED = [
    ImportedTask("0:1", "Name three rivers that flow through more than one country.", (Instance("", "Rhine"),), None),
    ImportedTask("0:2", "Say hello.", (Instance("", "Hello"),), False),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run with everything that can happen: failures, cut answers, rejections, imported rows."""
    prompts, seeds = load_prompts("tiny"), load_seeds(SEED_TASKS)[:30]
    run_settings = RunSettings(target=150, rounds=RoundSettings(least=6, most=10, max_failed=1.0))
    options = TemplateOptions(cut_rate=0.1, failure_rate=0.02)
    engine = open_engine(EngineSettings("template", template=options), prompts)
    store = RunStore(str(tmp_path_factory.mktemp("run")))
    run = Run(run_settings, prompts, seeds, IMPORTED)
    lines = [(SingleCompleter(engine, 64), (Stage.PROPOSE, Stage.LABEL))]
    drive(run, store, make_index(run_settings.novelty), lines, {**facts_of(run_settings), "prompts": prompts.digest})
    return store


@pytest.fixture(scope="module")
def gathered(store: RunStore) -> Gathered:
    return gather(
        store, FigureSettings(rows=20, rejected=5, review_rows=30, verb_rows=40, overlap_rows=25), lambda texts: None
    )


NOBODY = Made({}, (), (), None, None, None, {}, None)


def rows(store: RunStore, table: Table) -> list:
    return [row for number in store.rounds(table) if number for row in store.read(table, number).rows]


def figures_of(gathered: Gathered) -> Figures:
    return make_figures("run", NOBODY, gathered, verb_figures([], "none"), [], None)


def test_figures_are_those_of_plain_counting(store: RunStore, gathered: Gathered) -> None:
    figures = figures_of(gathered)
    candidates: list[Candidate] = rows(store, Table.CANDIDATES)
    instances: list[InstanceRow] = rows(store, Table.INSTANCES)
    accepted = [row for row in candidates if row.accepted]
    valid = [row for row in instances if row.accepted]
    classes = {row.instruction_id: row.is_classification for row in instances}
    table = {row.name: row.value for row in figures.table}
    assert (figures.accepted, figures.instances, figures.labelled) == (len(accepted), len(valid), len(classes))
    assert table["classification"] == sum(value is True for value in classes.values())
    assert table["not classification"] == sum(value is False for value in classes.values())
    assert table["with a valid instance"] == len({row.instruction_id for row in valid})
    assert table["with an empty input"] == sum(row.input == "" for row in valid)
    means = {
        "Words of an instruction, mean": [len(row.text.split()) for row in accepted],
        "Words of an input that is not empty, mean": [len(row.input.split()) for row in valid if row.input],
        "Words of an output, mean": [len(row.output.split()) for row in valid],
    }
    for name, words in means.items():
        assert table[name] == pytest.approx(sum(words) / len(words))
    assert gathered.labels == Counter(row.output.lower() for row in valid if row.is_classification)
    assert figures.classes.labelled_instances == gathered.labels.total()
    assert not figures.classes.labels_at_least


def test_too_many_labels_are_said_to_be(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfinstruct.report.gather.MOST_LABELS", 2)
    classes = figures_of(gather(store, FigureSettings(), lambda texts: None)).classes
    valid = [row for row in rows(store, Table.INSTANCES) if row.accepted and row.is_classification]
    assert classes.labels_at_least
    assert classes.labelled_instances == len(valid) > sum(classes.labels.values())


def test_outputs_that_many_rows_have_are_counted(
    store: RunStore, gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [row.output for row in rows(store, Table.INSTANCES) if row.accepted and not row.is_classification]
    counts = Counter(text.strip() for text in others)
    monkeypatch.setattr("selfinstruct.report.figures.MANY", 2)
    shared = figures_of(gathered).shared
    many = {text: n for text, n in counts.items() if n >= 2}
    assert (shared.instances, shared.sharing) == (len(others), sum(many.values()))
    assert 0 < shared.sharing < shared.instances
    assert shared.outputs.items() <= many.items()
    assert min(shared.outputs.values()) >= max({**many, "": 0}[text] for text in {*many, ""} - shared.outputs.keys())
    assert not shared.at_least
    monkeypatch.setattr("selfinstruct.report.gather.MOST_LABELS", 2)
    fewer = figures_of(gather(store, FigureSettings(), lambda texts: None)).shared
    assert fewer.at_least
    assert fewer.instances == shared.instances


def test_the_funnel_closes(store: RunStore, gathered: Gathered) -> None:
    figures = figures_of(gathered)
    for step in figures.funnel:
        assert step.total == step.kept + sum(step.lost.values()), step.name
    requests, instructions, labelling, instances = figures.funnel
    proposals: list[Proposal] = rows(store, Table.PROPOSALS)
    assert requests.total == len(proposals)
    assert requests.lost == Counter(row.reason for row in rows(store, Table.CANDIDATES) if not row.text)
    assert instructions.lost["cut_by_length"] > 0  # an answer that was cut keeps its whole items
    assert requests.kept == len({row.request_id for row in rows(store, Table.CANDIDATES) if row.text})
    assert instructions.kept == labelling.total == figures.accepted
    assert instructions.total == sum(bool(row.text) for row in rows(store, Table.CANDIDATES))
    assert instances.kept == figures.instances
    found = [row for row in rows(store, Table.INSTANCES) if row.round and row.id != row.instruction_id]
    assert instances.total == len(found)
    assert figures.acceptance == figures.accepted / instructions.total
    assert sum(each.proposed for each in figures.rounds) == instructions.total
    assert figures.rounds[-1].total == figures.accepted


def test_tokens_are_summed_by_kind(store: RunStore, gathered: Gathered) -> None:
    figures = figures_of(gathered)
    proposals: list[Proposal] = rows(store, Table.PROPOSALS)
    labels: list[Label] = rows(store, Table.LABELS)
    sums = {each.kind: (each.requests, each.prompt, each.completion) for each in figures.tokens}
    for kind in sums:
        of_kind = proposals if kind == "propose" else [row for row in labels if row.kind == kind]
        tokens = [sum(row.prompt_tokens for row in of_kind), sum(row.completion_tokens for row in of_kind)]
        assert sums[kind] == (len(of_kind), *tokens)
    total = sum(prompt + completion for _, prompt, completion in sums.values())
    assert figures.tokens_per_instruction == pytest.approx(total / figures.accepted)
    assert figures.tokens_per_instance == pytest.approx(total / figures.instances)


def test_drawn_rows_are_distinct_and_of_their_sort(store: RunStore, gathered: Gathered) -> None:
    ids = {row.id for row in rows(store, Table.CANDIDATES) if row.accepted}
    drawn = [row["id"] for row in gathered.accepted_rows]
    assert len(set(drawn)) == 20
    assert set(drawn) <= ids
    assert len({row["id"] for row in gathered.review_rows}) == 30
    assert len(gathered.verb_texts) == 40
    assert len(set(gathered.overlap_ordinals)) == 25
    valid = [row for row in rows(store, Table.INSTANCES) if row.accepted]
    for id in drawn:
        assert [row["id"] for row in gathered.instances_of[id]] == [row.id for row in valid if row.instruction_id == id]
    reasons = Counter(row["reason"] for row in gathered.rejected_rows)
    assert reasons["similar"] == 15
    assert all(row["nearest_id"] in gathered.texts for row in gathered.rejected_rows if row["reason"] == "similar")


def test_the_same_run_and_seed_give_the_same_page(store: RunStore, tmp_path: Path) -> None:
    run = store.blobs.url
    pages = [tmp_path / name for name in ("one.html", "two.html", "other.html")]
    for path, seed in zip(pages, ("0", "0", "1"), strict=True):
        options = ["--seed", seed, "--overlap_rows", "5", "--verb_rows", "5", "--rows", "10", "--review_rows", "10"]
        assert main(["report", run, "--out", str(path), *options]) == 0
    one, two, other = (path.read_bytes() for path in pages)
    assert one == two
    assert one != other


def test_a_run_of_imported_rows_alone_is_reported(tmp_path: Path) -> None:
    run_settings = RunSettings(target=1, check_pool=False)
    run = Run(run_settings, load_prompts("tiny"), load_seeds(SEED_TASKS)[:3], IMPORTED)
    store = RunStore(str(tmp_path / "run"))
    run.begin(facts_of(run_settings))
    for effect in run.effects():
        if isinstance(effect, Write):
            store.commit(effect.make(), fingerprint_of(facts_of(run_settings)))
    out = tmp_path / "figures.json"
    page = tmp_path / "page.html"
    assert main(["report", store.blobs.url, "--out", str(page), f"--json={out}"]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert (figures["about"], figures["seeds"], figures["accepted"], figures["instances"]) == ("imported", 3, 2, 2)
    assert figures["overlap"]["sample"] == 2
    assert "generated nothing" in page.read_text()


def test_a_run_that_has_only_begun_is_reported(tmp_path: Path) -> None:
    run_settings = RunSettings(target=1)
    run = Run(run_settings, load_prompts("tiny"), load_seeds(SEED_TASKS)[:3])
    store = RunStore(str(tmp_path / "run"))
    run.begin(facts_of(run_settings))
    store.commit(run.effects()[0].make(), fingerprint_of(facts_of(run_settings)))  # type: ignore[union-attr]
    assert main(["report", store.blobs.url, "--out", str(tmp_path / "page.html")]) == 0


def test_what_a_user_gets_wrong_is_one_line(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = store.blobs.url
    stranger = tmp_path / "stranger.csv"
    stranger.write_text("id,task,input,output\n000001/00000/00/7,yes,yes,no\n")
    cases = {
        "there is no run": [str(tmp_path / "none")],
        "--rows: is -1": [run, "--rows", "-1"],
        "must be a file in an existing folder": [run, "--out", str(tmp_path / "none" / "page.html")],
        "no instance '000001/00000/00/7'": [run, "--review", str(stranger)],
        "spaCy": [run, "--tagger", "spacy", "--spacy_model", str(tmp_path / "no model")],
    }
    for expected, options in cases.items():
        out = ["--out", str(tmp_path / "page.html")] if "--out" not in options else []
        assert main(["report", *options, *out]) == 2, expected
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1
        assert expected in errors[0] or (expected == "spaCy" and "--spacy_model" in errors[0])
    assert not (tmp_path / "page.html").exists()


def test_who_made_a_run_when_and_what_it_took_is_told(store: RunStore) -> None:
    for number, price in ((1, 2.0), (2, 4.0)):
        write_timing(
            store.blobs, Timing(number, 900, 1800, 5, 6, 7, f"2026-03-0{number}T10:00:00+00:00", 150, 2, price)
        )
    told = made(store)
    assert (told.models, told.engines, told.target) == ({}, [], 150)
    assert (told.began, told.ended) == ("2026-03-01", "2026-03-02")
    assert told.took == Took(hours=0.5, replica_seconds=3600, gpu_seconds=7200, money=3.0, whole=True)
    assert told.settings["too similar"] == "ROUGE-L above 0.7"
    write_timing(store.blobs, Timing(3, 900, 1800, 5, 6, 7))  # an older version's
    assert made(store).took == Took(hours=0.75, replica_seconds=5400, gpu_seconds=None, money=None, whole=False)


def test_one_model_is_named_once_and_several_by_what_they_did(tmp_path: Path) -> None:
    assert made(make_run(tmp_path / "one", 10)).models == {"model": "selfinstruct-template"}
    others = {"proposer.engine": "openai", "proposer.model": "owner/big"}
    two = made(make_run(tmp_path / "two", 10, **others))
    assert two.models == {"proposed by": "owner/big", "labelled by": "selfinstruct-template"}
    assert (two.engines, two.prompts) == (["openai", "template"], ["tiny"])


@pytest.mark.parametrize("reason", [*Reason, "plugin:mine", "every_instance_dropped", "not_chosen"])
def test_every_reason_is_told_in_words(reason: str) -> None:
    assert len(explained(reason).split()) > 3


def test_a_conflicting_instance_has_its_partner(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "run"))
    seeds, told = load_seeds(SEED_TASKS)[:3], Reason.CONFLICTING
    run_settings = RunSettings(target=1)
    facts = facts_of(run_settings)
    run, fingerprint = Run(run_settings, load_prompts("tiny"), seeds), fingerprint_of(facts)
    run.begin(facts)
    store.commit(run.effects()[0].make(), fingerprint)  # type: ignore[union-attr]
    store.commit(RoundFile(Table.INSTANCES, 0, ()), fingerprint)
    store.commit(
        RoundFile(Table.PROPOSALS, 1, (Proposal("000001/0", 1, "", (), "", Finish.STOP, 1, 1, None),)), fingerprint
    )
    candidate = Candidate("000001/0/0", 1, "000001/0", 0, Origin.MODEL, "Add up.", True, None, None, None)
    store.commit(RoundFile(Table.CANDIDATES, 1, (candidate,)), fingerprint)
    store.commit(RoundFile(Table.LABELS, 1, ()), fingerprint)
    pairs = [("1 and 2", "3"), ("1 and 2", "4"), ("5 and 6", "11")]
    instances = tuple(
        InstanceRow(f"000001/0/0/{at}", 1, "000001/0/0", "Add up.", False, *pair, False, told)
        for at, pair in enumerate(pairs)
    )
    store.commit(RoundFile(Table.INSTANCES, 1, instances), fingerprint)
    drawn = gather(store, FigureSettings(), lambda texts: None).rejected_instances
    assert {row["output"]: row[PARTNER] for row in drawn} == {"3": "4", "4": "3", "11": None}
    page = tmp_path / "page.html"
    assert main(["report", store.blobs.url, "--out", str(page), "--verb_rows", "0"]) == 0
    text = page.read_text()
    assert text.count("<dt>Another</dt>") == 2
    assert f'<p class="why">{explained(told)}</p>' in text


# ---- exact scores

WORD = st.sampled_from(["a", "b", "c", "d", "e", "f", "ag", "bh", "ci", "the", "of"])
WORDS = st.lists(WORD, max_size=9).map(" ".join)


@settings(max_examples=50)
@given(st.lists(WORDS, min_size=2, max_size=30), st.integers(0, 5))
def test_the_nearest_is_that_of_brute_force(texts: Sequence[str], seeds: int) -> None:
    overlap = Overlap("rouge")
    overlap.add(texts)
    seeds = min(seeds, len(texts))
    ordinals = [at for at, text in enumerate(texts) if text]
    tokens = [tokenise(text, "rouge") for text in texts]
    for at, nearest in zip(ordinals, overlap.nearest(ordinals, seeds), strict=True):
        others = [rouge_l(tokens[at], tokens[other]) for other in range(len(texts)) if other != at]
        assert nearest.other == max(others)
        assert nearest.seed == max(
            (rouge_l(tokens[at], tokens[other]) for other in range(seeds) if other != at), default=0.0
        )


def test_a_nearest_beyond_the_first_scored_is_found() -> None:
    draw = random.Random(0)
    words = [f"w{n}" for n in range(400)]
    texts = [" ".join(draw.choices(words, k=12)) for _ in range(600)]
    overlap = Overlap("rouge")
    overlap.add(texts)
    found = overlap.nearest(range(20), 100)
    tokens = [text.split() for text in texts]
    for at, nearest in enumerate(found):
        assert nearest.other == max(rouge_l(tokens[at], other) for n, other in enumerate(tokens) if n != at)
        assert nearest.seed == max(rouge_l(tokens[at], other) for n, other in enumerate(tokens[:100]) if n != at)


@settings(max_examples=50)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["rouge", "unicode"]))
def test_marked_pieces_join_to_the_texts(text: str, other: str, tokeniser: str) -> None:
    for whole, pieces in zip((text, other), mark_common(text, other, tokeniser), strict=True):
        assert "".join(piece for piece, _ in pieces) == whole


def test_common_words_are_marked_in_order() -> None:
    pieces, other = mark_common("Name the three big rivers.", "The rivers: name three big ones!", "rouge")
    assert [piece for piece, common in pieces if common] == ["Name", "three big"]
    assert [piece for piece, common in other if common] == ["name three big"]


def test_common_words_of_any_script_are_marked() -> None:
    pieces, other = mark_common("Öffne ½ der TÜR, bitte", unicodedata.normalize("NFD", "die öffne Tür"), "unicode")
    assert [piece for piece, common in pieces if common] == ["Öffne", "TÜR"]
    assert [piece for piece, common in other if common] == [unicodedata.normalize("NFD", "öffne Tür")]
    pieces, _ = mark_common("请写诗。", "写首诗", "unicode")
    assert pieces == [("请", False), ("写诗", True), ("。", False)]
    pieces, _ = mark_common("İki bird", "ki bird", "rouge")
    assert pieces == [("İ", False), ("ki bird", True)]


def test_lengths_are_counted_as_the_run_counts_words(tmp_path: Path) -> None:
    run_settings = RunSettings(target=1, check_pool=False, novelty=NoveltySettings(tokeniser="unicode"))
    tasks = [ImportedTask("0:1", "请写一首短诗。", (Instance("三 行", "雪落"),), False)]
    store = RunStore(str(tmp_path))
    run = Run(run_settings, load_prompts("tiny"), load_seeds(SEED_TASKS)[:3], tasks)
    replay(run, store, make_index(run_settings.novelty), facts_of(run_settings), iter(()))
    words = gather(store, FigureSettings(), lambda texts: None).words
    assert words == {"instruction": Counter({6: 1}), "input": Counter({2: 1}), "output": Counter({2: 1})}


# ---- draws


def test_each_row_is_as_likely_as_any_other() -> None:
    counts: Counter[int] = Counter()
    for seed in range(200):
        lot = Lot(seed, "test", 5)
        for number in range(4):
            lot.offer(pa.table({"row": list(range(5 * number, 5 * number + 5))}), number)
        drawn = [row["row"] for row in lot.rows()]
        assert len(set(drawn)) == 5
        counts.update(drawn)
    assert lot.offered == 20
    assert all(20 <= counts[row] <= 85 for row in range(20))  # 50 expected, standard deviation 6


def test_a_grown_run_keeps_most_of_a_draw() -> None:
    small, grown = Lot(0, "test", 50), Lot(0, "test", 50)
    for number in range(11):
        part = pa.table({"row": [100 * number + n for n in range(100)]})
        grown.offer(part, number)
        if number < 10:
            small.offer(part, number)
    before, after = ({row["row"] for row in lot.rows()} for lot in (small, grown))
    assert len(before & after) >= 35


# ---- verbs


@pytest.mark.parametrize(
    ("text", "verb", "noun"),
    [
        ("Write a short poem about the sea.", "write", "poem"),
        ("Give me three examples of fruits.", "give", "example"),
        ("Please list all the countries in Europe.", "list", "country"),
        ("Given a set of numbers, find all possible subsets.", "find", "subset"),
        ("Can you make a detailed plan for me?", "make", "plan"),
        ("You need to write a creative opening scene for a film.", "write", "scene"),
        ("How do you answer this question in an interview?", "answer", "question"),
        ("Come up with a metaphor.", "come", None),
        ("Tell me if the sentence is grammatical.", "tell", None),
        ("What is the capital of France?", "be", None),
        ("Write a cover letter. Keep it short.", "write", "letter"),
        ("Brainstorm a list of New Year's resolutions.", "brainstorm", "list"),
        ("A red house.", None, None),
        ("", None, None),
        ("東京の天気を教えて", None, None),
    ],
)
def test_main_verb_and_direct_object(text: str, verb: str | None, noun: str | None) -> None:
    find, _ = open_tagger("textblob", "")
    assert find(text) == VerbObject(verb, noun)


def test_verbs_of_the_released_seeds() -> None:
    folder = os.environ.get("SELFINSTRUCT_RELEASED_DATA")
    if not folder:
        pytest.skip("SELFINSTRUCT_RELEASED_DATA names no folder with the original release's files")
    lines = Path(folder, "seed_tasks.jsonl").read_text().splitlines()
    find, method = open_tagger("textblob", "")
    figures = verb_figures([find(json.loads(line)["instruction"]) for line in lines], method)
    assert figures.sample == 175
    assert figures.with_verb >= 165
    assert figures.with_object >= 110
    assert figures.verbs[0].verb == "write"


def test_verb_and_object_of_a_spacy_tree(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed")
    from spacy.tokens import Doc

    from selfinstruct.report.verbs import in_tree

    blank = spacy.blank("en")
    words, lemmas = ["She", "wrote", "some", "poems", "."], ["she", "write", "some", "poem", "."]
    poses, heads = ["PRON", "VERB", "DET", "NOUN", "PUNCT"], [1, 1, 3, 1, 1]
    deps = ["nsubj", "ROOT", "det", "dobj", "punct"]
    tree = Doc(blank.vocab, words=words, pos=poses, deps=deps, heads=heads, lemmas=lemmas)
    assert in_tree(tree) == VerbObject("write", "poem")
    blank.to_disk(tmp_path / "blank")
    with pytest.raises(InputError, match="has no dependency parser"):
        open_tagger("spacy", str(tmp_path / "blank"))


def test_verbs_are_ranked_with_their_objects() -> None:
    found = [VerbObject("write", noun) for noun in ("poem", "poem", "list", "a", "b", "c")]
    found += [VerbObject("make", "list"), VerbObject("tell", None), VerbObject(None, None)]
    figures = verb_figures(found, "by hand")
    assert (figures.sample, figures.with_verb, figures.with_object) == (9, 8, 7)
    assert [(each.verb, each.count) for each in figures.verbs] == [("write", 6), ("make", 1)]
    assert figures.verbs[0].nouns[0] == ("poem", 2)
    assert len(figures.verbs[0].nouns) == 4
    assert (figures.shown, figures.pairs) == (6, 5)


# ---- drawings


@settings(max_examples=50)
@given(st.dictionaries(st.integers(0, 3000), st.integers(1, 50), max_size=40))
def test_a_histogram_of_words_loses_nothing(words: dict[int, int]) -> None:
    histogram = histogram_of_words(Counter(words))
    assert sum(histogram.counts) + histogram.above == histogram.count == sum(words.values())
    assert len(histogram.counts) <= 41
    chart = bar_chart(histogram, "words", 0, "texts")
    assert all(0 <= tick.at <= 100 for tick in (*chart.across, *chart.up))
    assert chart.up[-1].label.endswith(" texts")
    top = int(chart.up[-1].label.split()[0].replace(",", ""))  # the axis is true: heights are counts of it
    assert [round(bar.height * top / 100) for bar in chart.bars] == list(histogram.counts)


def test_a_histogram_of_scores_counts_each_in_its_bar() -> None:
    histogram = histogram_of_scores([0.0, 0.049, 0.7, 0.15, 1.0, 0.95])
    assert (histogram.counts[0], histogram.counts[3], histogram.counts[14], histogram.counts[19]) == (2, 1, 1, 2)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=300))
def test_curves_stay_in_their_frame(rounds: list[tuple[int, int]]) -> None:
    total, figures = 0, []
    for number, (accepted, rejected) in enumerate(rounds, start=1):
        total += accepted
        figures.append(RoundFigures(number, 5, accepted + rejected, accepted, total, 0))
    for drawn in (growth(figures), acceptance(figures)):
        assert all(0 <= tick.at <= 100.01 for tick in (*drawn.across, *drawn.up))
        if isinstance(drawn, Curve):
            assert len(drawn.dots) <= 120
            assert all(0 <= left <= 100 and 0 <= bottom <= 100.01 for left, bottom, _ in drawn.dots)
        else:
            assert len(drawn.bars) == len(drawn.across) <= 12
            assert all(bar.left + bar.width <= 100 and 0 <= bar.height <= 100.01 for bar in drawn.bars)


def test_few_rounds_have_a_bar_each_with_its_figure() -> None:
    rounds = [RoundFigures(1, 5, 40, 30, 30, 0), RoundFigures(2, 5, 40, 10, 40, 0), RoundFigures(3, 5, 0, 0, 40, 0)]
    grown, shares = growth(rounds), acceptance(rounds)
    assert isinstance(grown, BarChart)
    assert isinstance(shares, BarChart)
    assert [bar.label for bar in grown.bars] == ["30", "40", "40"]
    assert [bar.label for bar in shares.bars] == ["75\u202f%", "25\u202f%"]
    assert [tick.label for tick in shares.across] == ["1", "2"]
    assert isinstance(growth([RoundFigures(n, 5, 9, 9, 9 * n, 0) for n in range(1, 14)]), Curve)


def test_a_sunburst_has_a_wedge_for_each_verb_and_object() -> None:
    verbs = [VerbCount("write", 9, [("poem", 6), ("list", 2)]), VerbCount("make", 2, [("plan", 2)])]
    wedges = sunburst(VerbFigures("by hand", 20, 15, 11, verbs, 10))
    assert [wedge.label for wedge in wedges] == ["write", "poem", "list", "make", "plan"]
    alone = sunburst(VerbFigures("by hand", 1, 1, 1, [VerbCount("write", 1, [("poem", 1)])], 1))
    assert all(wedge.path.count("A") == 2 for wedge in alone)


# ---- the review


def test_an_instance_is_without_a_fault_when_all_answers_are_yes() -> None:
    answers = [
        {"task": True, "input": True, "output": True},
        {"task": True, "input": None, "output": False},
        {"task": True, "input": None, "output": True},
        {"task": None, "input": None, "output": None},
    ]
    figures = [(each.yes, each.answered, each.paper) for each in summarise(answers)]
    assert figures == [(3, 3, PAPER["task"]), (1, 1, PAPER["input"]), (2, 3, PAPER["output"]), (1, 2, PAPER["all"])]
    empty = summarise([])
    assert [dataclasses.astuple(each)[1:6] for each in empty] == [(0, 0, None, None, None)] * 4


def test_a_spreadsheet_s_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text('\ufeffid;task;input;output;instruction\r\na/0;YES; no ;;\'=x\r\nb/0;1;0;n;"two\nlines"\r\n')
    answers = read_answers(path, "f")
    assert answers == {
        "a/0": {"task": True, "input": False, "output": None},
        "b/0": {"task": True, "input": False, "output": False},
    }


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "id,task,input\na,yes,yes\n", "a.csv:1: the column 'output' is missing"),
        ("a.csv", "id,task,input,output\na,yes,maybe,no\n", "a.csv:2: 'input' is 'maybe'"),
        ("a.csv", "id,task,input,output\na,y,y,n\na,y,y,n\n", "a.csv:3: 'a' was answered before"),
        ("a.csv", "id,task,input,output\n,y,y,n\n", "a.csv:2: 'id' is missing"),
        ("a.csv", "", "a.csv:1: the column"),
        ("a.json", "{", "a.json: is not JSON"),
        ("a.json", "[1]", "a.json: must be an object with 'answers'"),
        ("a.json", '{"answers": [3]}', "a.json: answer 1 must be an object"),
        ("a.json", '{"run": "other", "answers": []}', "another run"),
        ("a.json", '{"answers": [{"id": "a", "task": []}]}', "a.json: answer 1: 'task' is []"),
    ],
)
def test_a_bad_sheet_is_named_by_file_and_line(tmp_path: Path, name: str, text: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_answers(path, "fingerprint")
    assert expected in str(caught.value)
