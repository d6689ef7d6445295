"""Checkpoint folders of other people: their code never runs, nobody is asked, and a broken one is one error."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from benchmarks.text_encoders import small_encoder
from kptoolkit.config import validate
from kptoolkit.errors import ConfigError
from kptoolkit.models.pretrained import PretrainedError, read_config
from kptoolkit.models.t5.base import saved_t5
from kptoolkit.models.t5.building import build_t5, build_tokenizer
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.t5_backend import WEIGHTS
from kptoolkit.models.t5.tokenizers import SubwordTokenizer
from kptoolkit.models.text.text_encoder import TextEncoder
from kptoolkit.testing.small_worlds import ITEMS, chain_task

TEXTS = ["a Book 1 was written by an Author 2", "user 1 has read books"]
CODE = "from pathlib import Path\nPath({!r}).touch()\nfrom transformers import T5Config, T5ForConditionalGeneration\n"
AUTO_MAP = {
    "AutoConfig": "own.OwnConfig",
    "AutoModel": "own.OwnModel",
    "AutoModelForSeq2SeqLM": "own.OwnModel",
    "AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"],
}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "bytes": lambda _: b"\xff\x00\x01" * 50,
    "list": lambda _: b"[]",
    "number": lambda _: b"3",
    "other keys": lambda _: b'{"a": {"b": [1]}, "model": 5, "vocab_size": "many"}',
}


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("t5")
    tokenizer = SubwordTokenizer.train(TEXTS, 400)
    tokenizer.save(folder)
    config = T5Config(vocab_size=tokenizer.size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_encoder(tmp_path_factory.mktemp("bert"), TEXTS)


@pytest.fixture(autouse=True)
def _never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> str:
        raise AssertionError("a question was asked")

    monkeypatch.setattr(builtins, "input", asked)


def read_t5(folder: Path) -> object:
    task = chain_task(folder.parent / "task")
    options = validate(SequenceOptions, {"checkpoint": str(folder)}, "model")
    tokenizer = build_tokenizer(options, task.knowledge, task.knowledge.pack.mpp, {})
    return build_t5(options, tokenizer, task, ITEMS)


def read_encoder(folder: Path) -> object:
    return TextEncoder.load(str(folder))


def changed(folder: Path, name: str, **values: Any) -> None:
    file = folder / name
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


READERS = [("t5", read_t5), ("bert", read_encoder)]


@pytest.mark.parametrize(("kind", "read"), READERS)
@pytest.mark.parametrize("known", [True, False])
def test_code_of_a_checkpoint_never_runs(
    kind: str, read: Callable[[Path], object], known: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(kind), tmp_path / "it"))
    (folder / "own.py").write_text(CODE.format(str(tmp_path / "ran")) + "class OwnConfig(T5Config): pass\n")
    other = {} if known else {"model_type": "own"}
    changed(folder, "config.json", auto_map=AUTO_MAP, **other)
    changed(
        folder, "tokenizer_config.json", auto_map=AUTO_MAP, **({} if known else {"tokenizer_class": "OwnTokenizer"})
    )
    if known:
        assert read(folder) is not None
    else:
        with pytest.raises(ConfigError, match="code of its own, which kptool does not run") as caught:
            read(folder)
        assert "trust_remote_code" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_code_in_a_run_never_runs(t5: Path, tmp_path: Path) -> None:
    shutil.copytree(t5, tmp_path / "t5")
    shutil.copyfile(t5 / "model.safetensors", tmp_path / WEIGHTS)
    (tmp_path / "t5" / "own.py").write_text(CODE.format(str(tmp_path / "ran")) + "class OwnConfig(T5Config): pass\n")
    changed(tmp_path / "t5", "config.json", auto_map=AUTO_MAP)
    assert saved_t5(tmp_path, SequenceOptions()).config.model_type == "t5"
    changed(tmp_path / "t5", "config.json", model_type="own")
    with pytest.raises(ValueError, match="code of its own"):
        saved_t5(tmp_path, SequenceOptions())
    assert not (tmp_path / "ran").exists()


def test_attention_code_of_another_repository_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "it"))
    changed(folder, "config.json", attn_implementation="somebody/attention")
    with pytest.raises(PretrainedError, match="code of its own"):
        read_config(str(folder))
    with pytest.raises(ConfigError, match="code of its own"):
        read_encoder(folder)


class Planted:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(("kind", "read"), READERS)
def test_pickled_weights_are_not_read(
    kind: str, read: Callable[[Path], object], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(kind), tmp_path / "it"))
    (folder / "model.safetensors").unlink()
    torch.save({"x": Planted(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="no weights in a safetensors file; save it again") as caught:
        read(folder)
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("kind", "read"), READERS)
def test_a_damaged_file_is_one_error_or_does_not_matter(
    kind: str, read: Callable[[Path], object], damage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    original, said = request.getfixturevalue(kind), dict[str, str]()
    for file in sorted(original.iterdir()):
        folder = Path(shutil.copytree(original, tmp_path / file.name / "it"))
        (folder / file.name).write_bytes(DAMAGE[damage](file.read_bytes()))
        try:
            read(folder)
        except ConfigError as error:
            said[file.name] = str(error)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= said.keys()
    assert all("is neither a folder with" in text and len(text.splitlines()) == 1 for text in said.values())
