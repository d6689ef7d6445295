"""Settings: ``kptool.toml``, the environment, ``--set`` and flags become one validated :class:`Config`.

Precedence, strongest first: flags and ``--set``, ``KPTOOL_<SECTION>__<KEY>``, ``NEO4J_URI``, ``NEO4J_USERNAME``,
``NEO4J_PASSWORD`` and ``NEO4J_DATABASE``, the file, the defaults. ``[model]`` options other than ``backend`` belong to
the backend, which validates them with a pydantic class of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast, get_args

import tomlkit
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from kptoolkit.arguments import checked
from kptoolkit.errors import ConfigError, holds_secret, redacted, shorten
from kptoolkit.limits import LimitsConfig, read_text
from kptoolkit.names import LIKELY, RankingName, nearest
from kptoolkit.settings_base import Section as Section
from kptoolkit.settings_base import Seed, check_bounded, read_toml, shown_value, toml_value

DEFAULT_FILE = Path("kptool.toml")
GRAPH_DATA = Path("graph:")
"""The value of ``data.dir`` that means the interactions in the graph."""
PROMPT_HISTORY = 5
"""Latest items of a history that enter a prompt where ``data.history`` is unset."""
_NEO4J = {"NEO4J_URI": "uri", "NEO4J_USERNAME": "username", "NEO4J_PASSWORD": "password", "NEO4J_DATABASE": "database"}


class GraphConfig(Section):
    """Where the knowledge graph is, and how it is read."""

    uri: str = "embedded:./kg"
    """``embedded:PATH``, or ``neo4j://`` or ``bolt://`` (``+s``, ``+ssc``) of a Neo4j server, 5.26 or newer."""
    username: str | None = None
    """User name on the server."""
    password: SecretStr | None = Field(default=None, exclude=True)
    """Password on the server; set KPTOOL_GRAPH__PASSWORD or NEO4J_PASSWORD rather than writing it into a file."""
    database: str | None = None
    """Database on the server; unset: its default database."""
    cypher: Path | None = None
    """Folder with your own Cypher files; each replaces the shipped file of the same name."""
    cap: int = Field(default=256, ge=1)
    """Maximum number of triples fetched per node, chosen round-robin over its relations."""
    max_degree: int = Field(default=1000, ge=1)
    """A node with more relationships than this can be the end of a triple, but its own triples are not read; those of
    the items themselves always are."""
    batch_size: int = Field(default=5000, ge=1)
    """Rows per transaction when loading."""
    frontier: int = Field(default=2000, ge=1)
    """Nodes per query when fetching neighbourhoods."""
    cache: Path = Path(".kptool/neighbourhoods")
    """Folder of the cache of fetched neighbourhoods."""

    @field_validator("uri")
    @classmethod
    def _no_secret(cls, uri: str) -> str:
        if not uri.startswith("embedded:") and holds_secret(uri):
            raise ValueError("give user and password as NEO4J_USERNAME and NEO4J_PASSWORD, not inside the URI")
        return uri


class TreeConfig(Section):
    """Which triples become an item's knowledge."""

    hops: int = Field(default=2, ge=1, le=6)
    """Maximum number of relationships between an item and a fact of its tree."""
    degree: int = Field(default=8, ge=0)
    """Maximum number of triples each time a node is expanded; 0 means no knowledge."""
    ranking: RankingName = "balanced"
    """Order in which a node's triples are chosen: ``balanced``, ``inverse-degree``, or ``random``, which chooses again
    each epoch as in the paper; also an entry point in the group kptoolkit.rankings, or ``module:function``."""
    max_tokens: int = Field(default=512, ge=8)
    """Maximum number of tokens per prompt, the MPP included."""
    seed: Seed = 2308
    """Random seed for ties and for the ranking ``random``."""


class PromptsConfig(Section):
    """How triples and histories are rendered as text."""

    pack: str = "auto"
    """Template pack: a folder, or the name of one in ``templates``, of a shipped or an installed one; ``auto`` is the
    pack that covers the graph best."""
    mpp: str | None = None
    """Id of the only MPP template to use; unset: training takes turns over the pack's training templates."""
    variants: Literal["first", "hash", "epoch"] = "first"
    """Which sentence of a relation is used: the first, one by a hash of the triple, or another one each epoch."""
    keep_nameless: bool = False
    """Whether triples whose far end has no name are used."""
    name_tokens: int = Field(default=48, ge=1)
    """Maximum number of words per name in a prompt; of characters, 12 times as many. A longer name ends in an
    ellipsis."""
    cache: Path = Path(".kptool/prompts")
    """Folder of the cache of rendered prompts and their tokens."""
    engine: Literal["local", "ray"] = "local"
    """What renders and tokenizes 50,000 or more distinct prompts: this machine, or Ray Data (``kptoolkit[ray]``)."""
    workers: int = Field(default=1, ge=1)
    """Worker processes that render and tokenize 50,000 or more distinct prompts; the prompts do not depend on it."""


class DataConfig(Section):
    """Interactions and how they are split."""

    dir: Path | None = None
    """Folder with ``.inter``, ``.csv`` or ``.parquet`` interactions (and ``.item``), or the file itself; ``graph:``
    reads interactions and items from the graph."""
    columns: str = ""
    """Header or number of columns by role, where interactions and items do not have the usual header line:
    ``item=track_id,user=listener`` or ``user=1,item=2,time=4``. Roles are ``user``, ``item``, ``time`` and
    ``title``."""
    encoding: str = ""
    """Encoding of interactions and items, e.g. ``latin-1``; unset: UTF-8, or UTF-16 with a byte order mark."""
    date_format: str = ""
    """Form of the dates of interactions, such as ``%d.%m.%Y`` or ``%m/%d/%Y``; unset: numbers and ISO 8601."""
    skip_bad_rows: bool = False
    """Whether rows of interactions without a user, an item or a time, and those that cannot be read, are left out and
    counted; otherwise they are an error."""
    min_rating: float | None = None
    """Events with a lower rating, or without one, are left out and counted, also by ``load-kg --interactions``; unset:
    ratings are not used, and every event counts."""
    split: Literal["leave-one-out", "temporal"] = "leave-one-out"
    """``leave-one-out``: each user's last event is the test case and the one before it the validation case.
    ``temporal``: two points in time separate training, validation and test for all users."""
    valid_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of all events in the validation period of a temporal split."""
    test_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of all events in the test period of a temporal split."""
    min_events: int = Field(default=0, ge=0)
    """Users with fewer events are left out; a leave-one-out split leaves out users with fewer than 3 in any case."""
    history: int | None = Field(default=None, ge=1)
    """Latest items of a history that are read; unset: ``kp4sr``: 5, ``sequence`` and ``linear``: 50."""


class ModelConfig(BaseModel):
    """The model: its backend, and the options of that backend."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    backend: str = "sequence"
    """Name of a backend: a shipped one, an entry point in the group kptoolkit.backends, or ``module:Class``."""

    @model_validator(mode="after")
    def _options_are_bounded(self) -> Self:
        for key, value in (self.model_extra or {}).items():
            try:
                check_bounded(value)
            except ValueError as error:
                raise ValueError(f"{shorten(key)}: {error}") from None
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options of the backend, as given."""
        return dict(self.model_extra or {})

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        return {"backend": self.backend, **self.options}


class PartsConfig(Section):
    """Score parts that are added to the score of the backend, whichever it is."""

    transitions: bool = True
    """What came how many events before or after what in training histories."""
    co_occurrence: bool = True
    """What occurs in the same training histories."""
    popularity: bool = True
    """How often an item occurs in training histories."""
    graph_similarity: bool = True
    """What two items share in the graph, per relation."""
    titles: bool = True
    """Words that the titles of two items share."""
    prompts: bool = True
    """Words that the triplet prompts of two items share."""
    text_encoder: str | None = None
    """Folder or hub name of a pretrained encoder of the BERT or T5 family that reads each item's tree. Unset: none."""
    text_mask: bool = True
    """Whether the text encoder reads under the tree mask."""
    text_similarity: bool = True
    """Similarity of the vectors that the text encoder gives two items."""
    text_adapter: bool = False
    """Whether a small adapter is trained, so that items of the same histories get similar vectors of text."""
    cases: int = Field(default=2000, ge=10)
    """Training cases from which the weights inside the parts are fitted."""

    @property
    def reads_knowledge(self) -> bool:
        """Whether a part is computed from the knowledge graph."""
        return self.graph_similarity or self.prompts or self.reads_text

    @property
    def reads_text(self) -> bool:
        """Whether the vectors of the text encoder are a part."""
        return self.text_similarity and self.text_encoder is not None


class TrainingConfig(Section):
    """Training by AdamW."""

    epochs: int = Field(default=100, ge=0)
    """Most epochs; early stopping and max_minutes can end the training sooner. 0: the weights stay as they start."""
    start_from: Path | None = None
    """Folder of a run whose weights the training starts from; unset: random weights, or those of a checkpoint."""
    batch_size: int = Field(default=32, ge=1)
    """Samples per batch and process."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate after the warm-up."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay of AdamW."""
    warmup_steps: int = Field(default=100, ge=0)
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["constant", "linear"] = "constant"
    """Learning rate after the warm-up: constant, or falling linearly to 0 at the last epoch."""
    weight_average: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the moving average of the weights that is validated, saved and used; 0: the weights as they are."""
    accumulation: int = Field(default=1, ge=1)
    """Batches whose gradients are accumulated per step."""
    eval_every: int = Field(default=5, ge=1)
    """Epochs between two evaluations on the validation cases."""
    patience: int = Field(default=5, ge=1)
    """Training stops after this many evaluations whose validation NDCG@10 is not at least 1 % better."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Training stops after this many minutes; unset: no limit."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format; ``auto``: bf16 on CUDA, fp32 elsewhere."""
    seed: Seed = 2308
    """Random seed for weights, windows and batches."""


class EvaluationConfig(Section):
    """Ranking of the full catalogue."""

    ks: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 5, 10, 20), min_length=1)
    """Cut-offs of HR and NDCG."""
    batch_size: int = Field(default=256, ge=1)
    """Cases scored at once."""
    beams: int = Field(default=20, ge=1)
    """Width of the beam search."""
    resamples: int = Field(default=2000, ge=100)
    """Bootstrap resamples per interval, and sign flips per paired test."""
    explained: int = Field(default=100, ge=1)
    """Size of the fixed sample of cases for ``evaluate --explain``."""
    rectools: Path | None = None
    """Python of an environment with RecTools, for the SASRec of ``evaluate --baselines``; unset: it is left out."""
    sasrec_minutes: float = Field(default=30.0, gt=0)
    """Minutes for the trainings of SASRec, and as many for those of SASRec + KG."""


class RunConfig(Section):
    """Where a run is written."""

    dir: Path = Path("runs/latest")
    """Folder of the run."""


class Config(Section):
    """All settings, one attribute per section."""

    graph: GraphConfig = GraphConfig()
    """``[graph]``"""
    tree: TreeConfig = TreeConfig()
    """``[tree]``"""
    prompts: PromptsConfig = PromptsConfig()
    """``[prompts]``"""
    data: DataConfig = DataConfig()
    """``[data]``"""
    model: ModelConfig = ModelConfig()
    """``[model]``"""
    parts: PartsConfig = PartsConfig()
    """``[parts]``"""
    training: TrainingConfig = TrainingConfig()
    """``[training]``"""
    evaluation: EvaluationConfig = EvaluationConfig()
    """``[evaluation]``"""
    run: RunConfig = RunConfig()
    """``[run]``"""
    limits: LimitsConfig = LimitsConfig()
    """``[limits]``"""

    def with_options(self, **options: Any) -> Config:
        """Return the same settings with some other options of the backend."""
        model = validate(ModelConfig, {"backend": self.model.backend, **self.model.options, **options}, "model")
        return self.model_copy(update={"model": model})

    def with_parts(self, **parts: Any) -> Config:
        """Return the same settings with some other settings of ``[parts]``."""
        return self.model_copy(update={"parts": validate(PartsConfig, {**self.parts.model_dump(), **parts}, "parts")})


_GRAPH_SECTION = "graph"  # people put secrets into its settings, also into the wrong one: values are never repeated
OptionsT = TypeVar("OptionsT", bound=BaseModel)
_Values = dict[str, dict[str, Any]]


@checked
def load_config(
    file: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Merge defaults, file, environment and overrides into a :class:`Config`.

    Args:
        file: A TOML file; ``None`` reads ``kptool.toml`` in the working directory if there is one.
        overrides: ``{"section.key": value}``, the strongest source; texts are converted as those of ``--set``.
        environ: Environment variables; ``None`` is ``os.environ``, ``{}`` ignores the environment.

    Raises:
        ConfigError: The file is missing or not valid TOML, a section or key is unknown, or a value is not allowed.
    """
    values = _read_file(file)
    for section, entries in _from_environment(os.environ if environ is None else environ).items():
        values.setdefault(section, {}).update(entries)
    for dotted, value in (overrides or {}).items():
        section, _, key = dotted.partition(".")
        if not key:
            raise ConfigError(f"'{shorten(dotted)}' is not a setting; write section.key=value, e.g. tree.hops=2")
        values.setdefault(section, {})[key] = _typed(section, key, value) if isinstance(value, str) else value
    return validate(Config, values)


def used_settings(file: str | Path | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Name the file and the variables of the environment that :func:`load_config` reads; no value is in the text."""
    found = DEFAULT_FILE if file is None and DEFAULT_FILE.is_file() else file
    given = _from_environment(os.environ if environ is None else environ)
    keys = ", ".join(f"{section}.{key}" for section, entries in given.items() for key in entries)
    return f"{found or f'no {DEFAULT_FILE} here'}{f'; from the environment: {keys}' if keys else ''}"


def parse_assignment(text: str) -> tuple[str, str]:
    """Split ``section.key=value`` of a ``--set`` option.

    Raises:
        ConfigError: There is no ``=`` or no dot.
    """
    dotted, equals, value = text.partition("=")
    if not equals or "." not in dotted:
        key = f" {shorten(dotted)}" if equals else ""  # without a key, the text may be a secret
        raise ConfigError(f"--set{key}: write section.key=value, e.g. --set tree.hops=2")
    return dotted.strip(), value


def validate(model: type[OptionsT], values: Mapping[str, Any], where: str = "") -> OptionsT:
    """Validate ``values``, and report the first mistake in one line with the nearest key and the allowed values.

    Args:
        model: Pydantic class, e.g. :class:`Config` or a backend's options.
        values: The values to validate.
        where: Prefix of the keys in the message, e.g. ``"model"``.

    Raises:
        ConfigError: A key is unknown or a value is not allowed.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    dotted = ".".join(([where] if where else []) + path)
    if first["type"] == "extra_forbidden":
        known = _keys(model, path[:-1])
        close = nearest(path[-1], known, min_score=LIKELY)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"unknown setting {shorten(dotted)}: {hint}known: {', '.join(known)}")
    hidden = path[:1] == [_GRAPH_SECTION] or isinstance(first["input"], Mapping)
    given = "" if hidden else f" (given: {shorten(redacted(shown_value(first['input'])))})"
    message = first["msg"].removeprefix("Value error, ")
    raise ConfigError(f"setting {shorten(dotted)}: {message[:1].lower()}{message[1:]}{given}")


def describe(model: type[BaseModel] = Config, prefix: str = "") -> list[tuple[str, str, str]]:
    """List ``(section.key, default, description)`` of all settings of ``model``, in order."""
    rows: list[tuple[str, str, str]] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            rows += describe(annotation, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _default(field), _description(field)))
    return rows


def to_toml(config: Config) -> str:
    """Write a configuration as TOML, without the password and without unset values.

    :func:`load_config` reads equal settings from it, whatever characters a text contains.
    """
    return tomlkit.dumps(config.model_dump(mode="json", exclude_none=True))


def commented_toml(values: Mapping[str, str] | None = None) -> str:
    """Write a settings file to edit: every setting with its description, all but ``values`` commented out.

    A commented line shows the default; without a default nothing follows the ``=``.

    Args:
        values: Texts to set, by ``section.key``.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of kptool; each commented line shows a default. Remove its # to change it."))
    for section, field in Config.model_fields.items():
        table = tomlkit.table()
        for key, setting in _model_of(field).model_fields.items():
            table.add(tomlkit.comment(_description(setting).replace("``", "")))
            given = (values or {}).get(f"{section}.{key}")
            if given is not None:
                table.add(key, given)
            else:
                table.add(tomlkit.comment(f"{key} = {_toml_default(setting)}".rstrip()))
        table.add(tomlkit.nl())
        document.add(tomlkit.nl())
        document.add(section, table)
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def _description(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _model_of(section: FieldInfo) -> type[BaseModel]:
    """The class of a section of :class:`Config`."""
    return cast("type[BaseModel]", section.annotation)


def _toml_default(field: FieldInfo) -> str:
    """The default as TOML, empty if there is none."""
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    return tomlkit.item(plain).as_string()


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "" if value is None else str(value)


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _read_file(file: str | Path | None) -> _Values:
    path = DEFAULT_FILE if file is None else Path(file)
    if file is None and not path.is_file():
        return {}
    try:
        values = read_toml(read_text(path, pipes=True))
    except OSError as error:
        raise ConfigError(f"cannot read settings file {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {shorten(str(error), 200)}") from error
    for section, entries in values.items():
        if not isinstance(entries, dict):
            raise ConfigError(f"{path}: setting {shorten(section)} is outside a section such as [tree]")
    return values


def _from_environment(environ: Mapping[str, str]) -> _Values:
    graph = {key: environ[name] for name, key in _NEO4J.items() if environ.get(name)}
    values: _Values = {"graph": dict(graph)} if graph else {}
    for name, value in environ.items():
        if name.startswith("KPTOOL_") and "__" in name and not name.startswith("KPTOOL_TEST_"):
            section, _, key = name.removeprefix("KPTOOL_").lower().partition("__")
            values.setdefault(section, {})[key] = _typed(section, key, value)
    return values


def _typed(section: str, key: str, text: str) -> Any:
    """Return the value of a setting that is given as a text: a secret as it is, others as TOML where it fits."""
    if section == _GRAPH_SECTION and key in {*_NEO4J.values()}:
        return text
    value, group = toml_value(text), Config.model_fields.get(section)
    fields = getattr(group.annotation, "model_fields", {}) if group is not None else {}
    annotation = fields[key].annotation if key in fields else None
    kinds = {kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)}
    return text if kinds and kinds <= {str, Path} and not isinstance(value, str) else value
