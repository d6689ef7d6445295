"""Why an item is recommended, what is written back, and whether scores depend on the named triplets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from servers.neo4j_server import Neo4jServer
from worlds.ring import load_graph

from kptoolkit import evaluate, explain, write_back
from kptoolkit.config import GraphConfig
from kptoolkit.data.histories import Cases
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import InputError, UnknownNameError
from kptoolkit.explain import faithfulness as faithfulness_module
from kptoolkit.explain.connections import Connection, distinct
from kptoolkit.explain.faithfulness import faithfulness
from kptoolkit.explain.triplet_drops import RunScore, drop_caption, drops
from kptoolkit.graph import Graph, open_source
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models.parts.fit_parts import knowledge_kinds
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
Row = tuple[str, str, str, int, float]
WORDS = {  # the first sentences of the pack "books", which covers the ring best; by whether the head comes first
    ("book.written_work.author", True): "{head} was written by {tail}.",
    ("book.written_work.author", False): "{tail} wrote {head}.",
    ("book.written_work.next_in_series", True): "{head} comes before {tail} in its series.",
    ("book.written_work.next_in_series", False): "{tail} comes after {head} in its series.",
    ("people.person.place_of_birth", True): "{head} was born in {tail}.",
    ("people.person.place_of_birth", False): "{tail} is the birthplace of {head}.",
}


@pytest.fixture(scope="module", params=[pytest.param("neo4j", marks=pytest.mark.graph), "embedded"])
def graph(request: pytest.FixtureRequest, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    if request.param == "neo4j":
        server: Neo4jServer = request.getfixturevalue("neo4j_server")
        server.clear()
        opened = Graph.open(
            server.uri,
            username=server.username,
            password=server.password,
            database=server.database,
            config=GraphConfig(),
        )
        opened.load(open_source([world]), interactions=True)
    else:
        opened = Graph.open(load_graph(world, tmp_path_factory.mktemp("written") / "kg"), config=GraphConfig())
    with opened:
        yield opened


def written(graph: Graph) -> list[Row]:
    found = graph.store.read(
        "MATCH (u:User)-[r:RECOMMENDED]->(i:Item) "
        "RETURN r.run AS run, u.id AS user, i.item_id AS item, r.rank AS rank, r.score AS score",
        {},
    )
    return sorted(map(tuple, found.rows))


def test_reasons_and_paths(run: Run, graph: Graph) -> None:
    ranked = run.recommend("u01", k=4)
    found = explain(run, "u01", k=4, graph=graph)
    assert [(entry.rank, entry.item_id, entry.title) for entry in found] == list(
        ranked[["rank", "item_id", "title"]].itertuples(index=False, name=None)
    )
    np.testing.assert_allclose([entry.score for entry in found], ranked["score"], rtol=1e-6)
    history = {str(run.catalogue.item_ids[row]) for row in run.interactions.history_of("u01")}
    triples = {(head, relation, tail) for head, relation, tail in stored(graph)}
    for entry in found:
        assert 0 < len(entry.triplets) <= 3
        assert [r.drop for r in entry.triplets] == sorted((r.drop for r in entry.triplets), reverse=True)
        assert entry.triplets[-1].drop > 0
        assert {r.item_id for r in entry.triplets} <= history, "kp4sr reads the history's facts"
        assert entry.paths is not None
        assert len({path.sentences for path in entry.paths}) == len(entry.paths)
        for path in entry.paths:
            assert set(path.triples) <= triples
            assert path.item_id in history
            assert len(path.sentences) == len(path.triples) <= 4
    assert any(entry.paths for entry in found)


def test_every_step_of_every_path_is_rendered_by_the_way_it_is_walked(run: Run, graph: Graph) -> None:
    names = dict(graph.store.read("MATCH (n:Entity) RETURN n.id AS id, n.name AS name", {}).rows)
    triples = {(head, relation, tail) for head, relation, tail in stored(graph)}
    entities = dict(zip(map(str, run.catalogue.item_ids), run.catalogue.entity_ids, strict=True))
    walked = set()
    for user in ("u01", "u02", "u03"):
        for entry in explain(run, user, k=10, graph=graph):
            for path in entry.paths or ():
                at = entities[path.item_id]
                for (head, relation, tail), sentence in zip(path.triples, path.sentences, strict=True):
                    assert (head, relation, tail) in triples
                    assert at in (head, tail)
                    forward = at == head
                    at = tail if forward else head
                    assert sentence == WORDS[relation, forward].format(head=names[head], tail=names[tail])
                    walked.add((relation, forward))
                assert at == entities[entry.item_id]
    assert {("book.written_work.author", True), ("book.written_work.author", False)} <= walked
    assert {forward for relation, forward in walked if relation == "book.written_work.next_in_series"} == {True, False}


def stored(graph: Graph) -> list[list[str]]:
    query = "MATCH (h:Entity)-[r]->(t:Entity) RETURN h.id, coalesce(r.relation, type(r)), t.id"
    return [list(row) for row in graph.store.read(query, {}).rows]


def test_paths_of_the_same_words_keep_the_place_of_the_first() -> None:
    first, other, again = (Connection(item, item, (said,), ()) for item, said in (("a", "A"), ("b", "B"), ("c", "A")))
    assert distinct([first, other, again]) == (first, other)


def test_the_drop_is_that_of_the_model(run: Run) -> None:
    (first,) = explain(run, "u02", k=1)
    assert first.paths is None, "no graph was asked"
    row = np.array([run.catalogue.resolve(first.item_id)])
    case, scorer = run.case_of("u02"), RunScore.of(run)
    found, fall = drops(scorer, case, row)
    best = int(fall[:, 0].argmax())
    assert first.triplets[0].text == run.knowledge_source().sentences(found.prompts)[best]
    removed = found.with_below(np.eye(len(found), dtype=bool)[best : best + 1])
    without = scorer.score_without(case, row, found, removed)[0, 0]
    assert first.triplets[0].drop == pytest.approx(first.score - without, abs=1e-4)


def test_the_parts_add_up_to_the_score(run: Run) -> None:
    for user in ("u02", "u11"):
        for entry in explain(run, user, k=5):
            assert sum(part.value for part in entry.parts) == pytest.approx(entry.score, abs=1e-4)
            assert [part.value for part in entry.parts] == sorted((part.value for part in entry.parts), reverse=True)
            history = {str(run.catalogue.item_ids[item]) for item in run.interactions.history_of(user)}
            for part in entry.parts:
                assert set(part.items) <= history
                assert sum(part.shares) <= 1 + 1e-5
    assert {part.part for part in entry.parts} == run.recommender.parts.weights.keys()


def test_parts_that_are_counted_say_how_many_readers_went_on(run: Run) -> None:
    """Also for a run with other histories: readers are those of its training."""
    asked = ["i03", "i04", "i05"]
    other = run.with_interactions(Interactions.of(["eve"] * 3, asked))
    found = run.explain("u02", k=5)
    assert [entry.to_json() for entry in found] == [entry.to_json() for entry in explain(run, "u02", k=5)]
    mine, theirs = (each.explain(items=asked, k=5) for each in (run, other))
    assert [entry.to_json() for entry in mine] == [entry.to_json() for entry in theirs]
    train = [history.tolist() for history in run.split.train]
    seen = set()
    for entry in (*found, *mine):
        row = run.catalogue.resolve(entry.item_id)
        for part in entry.parts:
            counted = part.part in ("transitions", "co-occurrence")
            assert len(part.counts) == (len(part.items) if counted else 0)
            for item, count in zip(part.items, part.counts, strict=False):
                having = [history for history in train if run.catalogue.resolve(item) in history]
                assert count.readers == len(having) >= count.of_them
                if part.part == "co-occurrence":
                    assert count.of_them == sum(row in history for history in having)
                seen.add((part.part, count.of_them > 0))
    assert {("transitions", True), ("co-occurrence", True)} <= seen


def test_without_triplets_the_parts_are_those_of_trees_that_lack_them(run: Run) -> None:
    """The change of the parts equals parts that are computed again from knowledge without the triplets."""
    case, rows = run.case_of("u02"), np.arange(ITEMS)
    parts, knowledge = run.recommender.parts, run.knowledge_source()
    scorer = RunScore.of(run)
    found = scorer.triplets(case, rows)
    draw = np.random.default_rng(3)
    removed = found.with_below(draw.random((6, len(found))) < 0.2)
    removed[0] = False
    change = scorer.removed.change(case, rows, found, removed)
    assert not change[0].any()
    assert (change[1:] < 0).any()
    trees = knowledge.trees(0)
    prompts = knowledge.pool.keys.find(found.prompts)
    for variant, lacks in enumerate(removed):
        items = np.unique(found.item[lacks])
        gone = [
            trees.indptr[item]
            + np.flatnonzero(np.isin(trees.prompt[trees.span(item)], prompts[lacks & (found.item == item)]))
            for item in items
        ]
        order = np.arange(ITEMS)
        left = ItemTrees.concat([trees.cut(items, gone), trees])
        order[items] = np.arange(len(items)) - len(items)
        kinds = knowledge_kinds(run.config.parts, run.catalogue, knowledge, left.take(order + len(items)))
        again = parts.extended(ITEMS, kinds).added(case) - parts.added(case)
        np.testing.assert_allclose(change[variant], again[0], atol=1e-4)


def test_a_history_of_names_is_explained(run: Run) -> None:
    found = explain(run, items=["i01", "i02"], k=2, triplets=1)
    assert [len(entry.triplets) for entry in found] <= [1, 1]
    with pytest.raises(UnknownNameError):
        explain(run, "nobody", k=1)
    with pytest.raises(InputError, match="either a user or"):
        explain(run)


class Mute:
    """A backend that ranks and says nothing of why."""

    name = "mute"

    def score(self, cases: Cases) -> NDArray[np.float32]:
        return np.zeros((len(cases), ITEMS), dtype=np.float32)


def test_a_backend_that_cannot_explain(run: Run) -> None:
    vars(run)["recommender"] = Recommender(Mute(), run.recommender.parts)  # type: ignore[arg-type]
    for asked in (lambda: explain(run, "u01"), lambda: evaluate(run, explain=True)):
        with pytest.raises(InputError, match="backend 'mute' cannot say which triplets mattered; leave out --explain"):
            asked()


def test_written_back_twice_is_written_once(run: Run, graph: Graph) -> None:
    graph.store.write("MATCH (:User)-[r:RECOMMENDED]->(:Item) DELETE r", {})
    degrees = "MATCH (n:Entity) RETURN n.id AS id, n.degree AS degree ORDER BY id"
    before = (graph.fingerprint(), graph.counts(), graph.store.read(degrees, {}).rows)
    around = graph.neighbourhoods(["e1", "e5"], 2)
    said = write_back(run, graph, k=3)
    assert (said.users, said.recommendations, said.left_out) == (USERS, 3 * USERS, 0)
    once = written(graph)
    ranked = run.recommend("u07", k=3)
    expected: list[tuple[Any, ...]] = [
        (run.manifest.id, "u07", item, rank, pytest.approx(score))
        for item, rank, score in ranked[["item_id", "rank", "score"]].itertuples(index=False, name=None)
    ]
    assert [row for row in once if row[1] == "u07"] == sorted(expected, key=lambda row: row[:3])
    write_back(run, graph, k=3)
    assert written(graph) == once
    assert (graph.fingerprint(), graph.counts(), graph.store.read(degrees, {}).rows) == before
    assert graph.neighbourhoods(["e1", "e5"], 2).far.tolist() == around.far.tolist()


def test_one_user_is_replaced_and_other_runs_stay(run: Run, graph: Graph) -> None:
    write_back(run, graph, k=3)
    graph.store.write(
        "MATCH (u:User {id: 'u07'}) MATCH (i:Item {item_id: 'i01'}) "
        "CREATE (u)-[:RECOMMENDED {run: 'theirs', rank: 1, score: 1.0}]->(i)",
        {},
    )
    said = write_back(run, graph, "u07", k=1)
    assert (said.users, said.recommendations) == (1, 1)
    of = [row for row in written(graph) if row[1] == "u07"]
    assert sorted((row[0], row[3]) for row in of) == [(run.manifest.id, 1), ("theirs", 1)]
    assert len([row for row in written(graph) if row[1] == "u08"]) == 3


def test_items_that_the_graph_lacks_are_left_out(run: Run, graph: Graph) -> None:
    (item,) = run.recommend("u09", k=1)["item_id"]
    graph.store.write("MATCH (i:Item {item_id: $item}) SET i.item_id = 'away'", {"item": item})
    try:
        said = write_back(run, graph, "u09", k=2)
    finally:
        graph.store.write("MATCH (i:Item {item_id: 'away'}) SET i.item_id = $item", {"item": item})
    assert (said.recommendations, said.left_out) == (1, 1)
    assert [row[3] for row in written(graph) if row[1] == "u09"] == [2]


def test_replacing_the_graph_takes_recommendations_away(run: Run, world: Path, tmp_path: Path) -> None:
    with Graph.open(load_graph(world, tmp_path / "kg"), config=GraphConfig()) as graph:
        write_back(run, graph, "u01", k=2)
        graph.load(open_source([world]), mode="replace")
        assert written(graph) == []
        assert graph.counts()["items"] == len(run.catalogue)


def test_scores_depend_on_named_triplets_more_than_on_random_ones(run: Run) -> None:
    found = faithfulness(RunScore.of(run), run.split.test, sample=20, resamples=200)
    assert found.cases + found.left_out == 20
    assert found.difference == pytest.approx(found.named - found.random)
    assert found.named > found.random
    assert found.interval[0] <= found.difference <= found.interval[1]
    assert found.gone_named > 0
    assert f"over {found.cases} cases; triplets removed" in found.note
    assert f"{found.left_out} cases left out" in found.note
    assert found == faithfulness(RunScore.of(run), run.split.test, sample=20, resamples=200), (
        "the same seed says the same"
    )
    few = faithfulness(RunScore.of(run), run.split.test, triplets=500, sample=3, resamples=200)
    assert (few.cases, few.left_out, few.named) == (0, 3, 0.0)
    said = "faithfulness: not measured; 3 cases left out: too few triplets, or none that raised the score"
    assert few.note == said


def test_what_is_measured_is_what_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The triplets left out are those of the explanation: distinct sentences, and none without a drop."""
    scorer, measured = RunScore.of(run), list[NDArray[np.bool_]]()
    usual = RunScore.score_without

    def listen(self: RunScore, case: Cases, best: Any, found: Any, removed: NDArray[np.bool_]) -> Any:
        if len(removed) == 7:  # nothing, the named ones, five random choices
            measured.append(removed[1])
        return usual(self, case, best, found, removed)

    monkeypatch.setattr(RunScore, "score_without", listen)
    cases = run.split.test
    faithfulness(scorer, cases, sample=len(cases), resamples=10)
    monkeypatch.undo()
    chosen = iter(measured)
    counts = set()
    for number in range(len(cases)):
        case = cases.take(np.array([number]))
        (entry,) = explain(run, items=[str(run.catalogue.item_ids[item]) for item in case.items], k=1)
        best = np.array([run.catalogue.resolve(entry.item_id)])
        found, fall = drops(scorer, case, best)
        if len(found) > 3 and entry.triplets:
            named = scorer.named(found, fall[:, 0])
            assert list(named.values()) == [reason.text for reason in entry.triplets]
            assert len(set(named.values())) == len(named)
            expected = found.with_below(np.isin(np.arange(len(found)), list(named))[None])[0]
            np.testing.assert_array_equal(next(chosen), expected)
            counts.add(len(named))
    assert next(chosen, None) is None
    assert counts


def test_named_triplets_are_few_distinct_and_raise_the_score() -> None:
    class Rendered:
        """Renders sentences that are given."""

        def sentences(self, prompts: Any) -> list[str]:
            return list(prompts)

    def named(texts: str, fall: list[float]) -> dict[int, str]:
        scorer = RunScore(None, None, None, Rendered())  # type: ignore[arg-type]
        found = SimpleNamespace(prompts=texts)
        return scorer.named(found, np.array(fall, dtype=np.float32))  # type: ignore[arg-type]

    assert named("abcd", [0.1, 0.4, 0.2, 0.3]) == {1: "b", 3: "d", 2: "c"}
    assert named("abbd", [0.1, 0.2, 0.4, 0.3]) == {2: "b", 3: "d", 0: "a"}, "one sentence about two items"
    assert named("abcd", [0.0, -0.4, 0.2, -0.3]) == {2: "c"}
    assert named("ab", [0.0, -1.0]) == {}


def test_a_caption_says_what_no_drop_contains() -> None:
    assert "text" not in drop_caption(["backend", "prompts"])
    assert drop_caption(["backend", "text"]).endswith("; what the part text adds stays as it is")


def test_random_triplets_fare_no_better_than_random_ones(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the named ones drawn by lot, the figure would be about zero."""

    def by_lot(scorer: Any, case: Any, candidates: Any) -> Any:
        found = scorer.triplets(case, candidates)
        return found, np.random.default_rng(len(found)).random((len(found), 1)).astype(np.float32)

    true = faithfulness(RunScore.of(run), run.split.test, sample=20, resamples=200)
    monkeypatch.setattr(faithfulness_module, "drops", by_lot)
    lot = faithfulness(RunScore.of(run), run.split.test, sample=20, resamples=200)
    assert abs(lot.difference) < true.difference / 2


def test_the_evaluation_says_it(own_run: Path) -> None:
    result = evaluate(Run.load(own_run), split="valid", explain=True)
    assert result.faithfulness is not None
    assert result.faithfulness.note in result.notes
    assert result.faithfulness.cases + result.faithfulness.left_out == 10, "evaluation.explained"
    kept = json.loads((own_run / "metrics-valid.json").read_text())
    assert kept["faithfulness"]["difference"] == result.faithfulness.difference
