"""Every public function of Python checks what it is given, and names what is wrong."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pandas as pd
import pytest

import kptoolkit
from kptoolkit import arguments
from kptoolkit.arguments import checked, fits
from kptoolkit.config import Config, load_config
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import ConfigError, InputError, KptoolError, redacted
from kptoolkit.graph import MemorySource, open_source
from kptoolkit.graph.loading.load import dry_run
from kptoolkit.prompts import MppTemplate, TemplatePack

MORE = ("kptoolkit.graph", "kptoolkit.prompts")
"""Packages whose exported names are public too."""
OTHERS = {
    *("Backend", "register", "KptoolError", "Config", "Segment", "Neighbourhoods", "GraphStore", "TripleSource"),
    *(
        "GraphItems",
        "GraphPath",
        "ItemRef",
        "LoadReport",
        "Coverage",
        "CoverageRow",
        "Draft",
        "Examples",
        "Finding",
        "EqualFacts",
    ),
    *("MemorySource", "FileSource", "MppTemplate", "RelationTemplates", "Slot"),  # checked by __post_init__, or plain
    *("choose_variant", "clean_name", "relation_words", "pack_names", "sentence_hash", "draft_pack", "find_examples"),
}
"""Exported names that are protocols, results or helpers of one argument."""
TABLE = pd.DataFrame({"head": ["a"], "relation": ["r"], "tail": ["b"]})


def public() -> dict[str, Callable[..., Any]]:
    """Checked functions and methods of all exported names, by qualified name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in ("kptoolkit", *MORE):
        package = importlib.import_module(module)
        names = getattr(package, "__all__", None) or [name for name in dir(package) if not name.startswith("_")]
        for value in (getattr(package, name) for name in names):
            members = [value, *vars(value).values()] if inspect.isclass(value) else [value]
            for member in members:
                function = getattr(member, "__func__", member)
                if getattr(function, "__checked__", False):
                    found[function.__qualname__] = function
    return found


FUNCTIONS = public()
PARAMETERS = [
    (name, parameter, kind)
    for name, function in FUNCTIONS.items()
    for parameter, kind in arguments._hints(inspect.unwrap(function), inspect.signature(function).parameters).items()
    if inspect.signature(function).parameters[parameter].kind is not inspect.Parameter.VAR_KEYWORD
]


def parts_of(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [part for each in get_args(kind) for part in parts_of(each)]
    return [kind]


def plausible(kind: Any) -> Any:
    """A value of a type, to stand for the other arguments."""
    first = parts_of(kind)[0]
    origin = get_origin(first)
    if origin is Literal:
        return get_args(first)[0]
    if isinstance(origin, type):
        if issubclass(origin, Callable):  # type: ignore[arg-type]
            return print
        return {} if issubclass(origin, Mapping) else np.zeros(0) if origin is np.ndarray else []
    if first is Any or not isinstance(first, type):
        return None
    known = {str: "x", Path: Path("x"), bool: False, int: 1, float: 0.5, types.NoneType: None}
    return known[first] if first in known else object.__new__(first)


def wrong(kind: Any) -> list[Any]:
    """Values that are of no type of an annotation: wrong types, a text for a list, NaN, huge values."""
    parts = parts_of(kind)
    if kind == arguments.Moment:
        return [object(), "0.5", True, float("nan"), [1.0]]
    origins = {get_origin(part) or part for part in parts}
    listed = any(isinstance(o, type) and issubclass(o, Iterable) and o is not str for o in origins)
    mapped = any(isinstance(o, type) and issubclass(o, Mapping) for o in origins)
    if Any in parts:
        return []
    if any(getattr(part, "_is_protocol", False) for part in parts):
        return [object(), b"bytes", 7, 2.5, ["x"], "Emma"]
    values: list[Any] = [object(), b"bytes"]
    values += [] if {int, float} & origins else [7, 2.5]
    values += ["no such word", ""] if all(get_origin(part) is Literal for part in parts) else []
    values += ["7", True, float("nan"), float("inf"), 2**70] if int in origins else []
    values += ["0.5", True, float("nan"), float("inf")] if float in origins else []
    values += ["no", 0, None] if origins == {bool} else []
    values += [] if listed or Callable in origins else [["x"], {"x": 1}, TABLE]
    values += ["Emma"] if listed and not {str, Path} & origins else []
    values += [{"Emma": 1}, TABLE, {1: 2}] if listed and not mapped else []
    values += [[3], ["x", None]] if any(part == get_origin_of_texts(part) for part in parts) and not mapped else []
    values += [np.array([1, 2]), pd.Series([0.5, None])] if listed and np.ndarray not in origins else []
    values += ["a\x00b", "x" * 5000, Path("a\x00b")] if Path in parts else []
    values += [["x"], "x"] if mapped else []
    return values


def get_origin_of_texts(part: Any) -> Any:
    return part if get_args(part) == (str,) else None


def test_all_exported_functions_and_classes_are_checked() -> None:
    names = {name.partition(".")[0] for name in FUNCTIONS}
    exported = {*kptoolkit.__all__} - {"__version__"}
    for module in MORE:
        package = importlib.import_module(module)
        exported |= {*(getattr(package, "__all__", None) or ())}
    assert exported - names - OTHERS == set()
    assert len(PARAMETERS) > 100


@pytest.mark.parametrize(("name", "parameter", "kind"), PARAMETERS, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_an_error_that_names_it(name: str, parameter: str, kind: Any) -> None:
    function = FUNCTIONS[name]
    hints = {each: other for owner, each, other in PARAMETERS if owner == name}
    signature = inspect.signature(function)
    needed = {
        each: plausible(hints.get(each, Any))
        for each, described in signature.parameters.items()
        if described.default is inspect.Parameter.empty and described.kind is not inspect.Parameter.VAR_KEYWORD
    }
    for value in wrong(kind):
        with pytest.raises(InputError) as caught:
            function(**{**needed, parameter: value})
        said = str(caught.value)
        assert said.startswith(redacted(f"{name}({parameter}=…)")), said
        assert "is needed, not " in said
        assert len(said) < 400


UNRESOLVED = {("KnowledgeTree.of_items", "graph"), ("KnowledgeTree.of_items", "items")}
"""Parameters whose annotation names what only type checkers import; the function checks them itself."""


def test_every_annotation_of_a_public_function_is_known() -> None:
    known = {(name, parameter) for name, parameter, _ in PARAMETERS}
    annotated = {
        (name, each)
        for name, function in FUNCTIONS.items()
        for each, described in inspect.signature(function).parameters.items()
        if described.annotation is not inspect.Parameter.empty and described.kind is not inspect.Parameter.VAR_KEYWORD
    }
    assert annotated - known == UNRESOLVED


@pytest.mark.parametrize("value", [object(), b"bytes", 7, float("nan"), None, [3], [None], [["Emma"]], {"Emma": 1}])
@pytest.mark.parametrize("parameter", ["graph", "items"])
def test_a_tree_of_a_wrong_value(parameter: str, value: object) -> None:
    given: dict[str, Any] = {"graph": object.__new__(kptoolkit.Graph), "items": ["Emma"], parameter: value}
    with pytest.raises(InputError, match=rf"of_items\({parameter}=…\): .* is needed, not ") as caught:
        kptoolkit.KnowledgeTree.of_items(pack=TemplatePack("x"), **given)
    assert len(str(caught.value)) < 400


def test_what_is_right_is_passed_on() -> None:
    assert fits(np.int64(3), int)
    assert fits(np.float32(0.5), float)
    assert fits(5, float)
    assert fits(("a", "b"), list[str]) is False
    for texts in (["a"], ("a",), pd.Series(["a"]), np.array(["a"], dtype=object)):
        assert fits(texts, Sequence[str])
    assert len(Interactions.of(np.array(["u", "u"], dtype=object), ["i", "j"])) == 2

    @checked
    def join(texts: list[str], *, end: str = "") -> str:
        return "".join(texts) + end

    assert join(["a", "b"], end="c") == "abc"
    with pytest.raises(InputError, match=r"join\(texts=…\): a list \(a text each\) is needed, not 'Emma' \(str\)"):
        join("Emma")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"join: missing a required argument: 'texts'"):
        join()  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"join: got an unexpected keyword argument 'x'"):
        join([], x=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"triples_": TABLE}, r"triples_=…\): a list .* is needed, not a DataFrame"),
        ({"triples_": "abc"}, r"triples_=…\): a list .* is needed, not 'abc'"),
        ({"triples_": ["abc", "def"]}, r"triples_=…\): a list \(a list each\) is needed"),
        ({"triples_": [("a", "r", "b")], "names_": [("a", "A")]}, r"names_=…\): a mapping is needed"),
        ({"triples_": [("a", "r", "b")], "names_": {"a": 3}}, r"names_=…\)"),
        ({"triples_": [("a", "r", "b")], "links_": "ab"}, r"links_=…\)"),
        ({"triples_": [("a", "r")]}, "row 1 has 2 values instead of 3"),
        ({"triples_": [("a", "r", "b", "c")]}, "row 1 has 4 values instead of 3"),
        ({"triples_": [("a", "r", "")]}, "row 1: tail is ''; ids are texts that are not empty"),
        ({"triples_": [("a", "r", float("nan"))]}, "row 1: tail is nan"),
        ({"triples_": [("a", "r", None)]}, "row 1: tail is None"),
        ({"triples_": [("a", "r", 10**30)]}, "row 1: tail is 1000"),
        ({"triples_": []}, "holds no triples"),
        ({"triples_": [("a", "r", "b")], "items_": [("i", None)]}, "row 1: the title is None; titles are texts"),
        ({"triples_": [("a", "r", "b")], "items_": [("i",)]}, "row 1 has 1 value instead of 2"),
    ],
)
def test_triples_in_memory(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        dry_run(MemorySource(**fields))


def test_a_source_of_a_text_is_no_list_of_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"open_source\(paths=…\): a list .* is needed, not 'x.kg'"):
        open_source("x.kg")


def test_fields_of_a_pack() -> None:
    wrong_fields: tuple[dict[str, Any], ...] = ({"name": 3}, {"relations": []}, {"mpp": "text"}, {"aliases": {1: 2}})
    for fields in wrong_fields:
        with pytest.raises(InputError, match=r"TemplatePack\((name|relations|mpp|aliases)=…\)"):
            TemplatePack(**{"name": "x", **fields})
    with pytest.raises(InputError, match=r"MppTemplate\(text=…\): a text is needed"):
        MppTemplate("a", 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"render\(head=…\): a text is needed"):
        TemplatePack("x").render(3, "r", "b")  # type: ignore[arg-type]


SETTINGS = [
    f"{section}.{key}"
    for section, field in Config.model_fields.items()
    for key in field.annotation.model_fields  # type: ignore[union-attr]
]
VALUES: tuple[Any, ...] = (
    *("", "x", "1e400", "nan", "-1", "9" * 5000, "[1]", "{a = 1}", "[" * 3000, "a\x00b", "true", "2000-01-01"),
    *(None, True, -1, 10**20, 10**5000, float("nan"), float("-inf"), 1e308, [], ["x"], {}, {"x": 1}, object(), b"x"),
    Path("a\x00b"),
)


@pytest.mark.parametrize("key", [*SETTINGS, "model.heads", "no.such", "x", ".", "a.b.c", ""])
def test_a_setting_is_right_or_an_error_of_one_line(key: str) -> None:
    for value in VALUES:
        try:
            config = load_config(overrides={key: value}, environ={})
        except KptoolError as error:
            said = str(error)
            exit_code, long = error.exit_code, len(said) > 1000 or "\n" in said
        else:
            said, exit_code, long = repr(config), 2, False
        assert exit_code == 2
        assert not long, said[:2000]
        assert " inf" not in said.split("(given")[0].replace("info", "")


@pytest.mark.parametrize("value", [[True], [1, True], (False,), ["x"], [1.5], [float("nan")], [10**400], "1", 5])
def test_a_list_of_numbers_is_one(value: object) -> None:
    with pytest.raises(ConfigError, match=r"setting evaluation\.ks"):
        load_config(overrides={"evaluation.ks": value}, environ={})


@pytest.mark.parametrize("function", [kptoolkit.evaluate, kptoolkit.evaluate_runs, kptoolkit.write_report])
def test_cases_that_are_no_split_are_not_ranked(function: Callable[..., Any]) -> None:
    run = object.__new__(kptoolkit.Run)
    with pytest.raises(InputError, match=r"split=…\): 'test' or 'valid' is needed, not '../..'"):
        function([run] if function is kptoolkit.evaluate_runs else run, split="../..")


@pytest.mark.parametrize(
    "columns",
    [
        (["u"], ["i", "j"], None),
        (["u", "v"], ["i", "j"], [1]),
        (["u"], ["i"], ["x"]),
        (["u"], ["i"], [float("nan")]),
        (["u"], ["i"], [[1]]),
        (["u"], ["i"], [None]),
        (["u"], ["i"], [object()]),
    ],
)
def test_columns_of_events_that_do_not_fit(columns: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match=r"Interactions.of"):
        Interactions.of(*columns)


@pytest.mark.parametrize("value", ["1e400", float("nan"), [float("inf")], 10**20])
def test_options_of_a_backend_are_finite(value: object) -> None:
    with pytest.raises(ConfigError, match=r"setting model: heads: (whole )?numbers must be (finite|below)"):
        load_config(None, {"model.heads": value}, {})
