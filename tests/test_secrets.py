"""No secret leaves a message, wherever somebody typed it: in a URI, in the wrong setting, in an argument."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner
from worlds.growth import assert_linear

from kptoolkit import TemplatePack
from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig, load_config
from kptoolkit.errors import ConfigError, DataError, KptoolError, redacted
from kptoolkit.graph import Graph

SECRET = "s3cret-pw"
SCHEMES = ("bolt", "neo4j", "neo4j+s", "bolt+ssc")
FORMS = (
    "{}://neo4j:{}@host",
    "{}://neo4j:{}@host:7687/x?y=z",
    "{}://neo4j:my {}@host",
    "{}://neo4j:a/{}/@host",
    "{}://neo4j:{}%40host:7687",
    "{}://{}%40host",
    "{}://{}@host",
    "{}://neo4j:{}",
    "{}://host?password={}",
    "{}://host:7687?user=neo4j&pwd={}&x=1",
    "{}://host/?auth_token={}",
    "{}://host/#password={}",
)
URIS = [form.format(scheme, SECRET) for form in FORMS for scheme in SCHEMES]
COMMANDS = (
    ["doctor", "--graph", "{}"],
    ["doctor", "--set", "graph.uri={}"],
    ["doctor", "--set", "graph.cap={}"],
    ["doctor", "--set", "graph.password.x={}"],
    ["doctor", "--set", "graph={}"],
    ["doctor", "--set", "{}"],
    ["doctor", "--set", "graph.passwort={}"],
    ["tree", "--item", "x", "--set", "prompts.pack={}", "--set", "tree.hops={}"],
    ["templates", "show", "{}"],
    ["templates", "check", "{}"],
    ["fit", "--data", "{}"],
    ["fit", "--data", "x", "--set", "model.backend={}"],
    ["load-kg", "{}"],
    ["load-kg", "x.kg", "--link", "{}"],
    ["evaluate", "{}"],
    ["recommend", "{}", "--user", "x"],
    ["recommend", "x", "-k", "{}", "--user", "x"],
    ["tree", "--hops", "{}"],
    ["{}"],
    ["tree", "--{}"],
)


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_with_a_secret_is_refused_without_repeating_it(uri: str) -> None:
    attempts = (
        lambda: load_config(overrides={"graph.uri": uri}, environ={}),
        lambda: load_config(environ={"NEO4J_URI": uri}),
        lambda: load_config(environ={"KPTOOL_GRAPH__URI": uri}),
        lambda: Graph.open(uri, config=GraphConfig()),
        lambda: GraphConfig(uri=uri),
    )
    for attempt in attempts:
        with pytest.raises((ConfigError, ValidationError)) as caught:
            attempt()
        assert SECRET not in str(caught.value)
        assert "NEO4J_PASSWORD" in str(caught.value)


@pytest.mark.parametrize("words", COMMANDS)
def test_no_command_repeats_a_secret(words: list[str]) -> None:
    Path("x.kg").write_text("head\trelation\ttail\na\tr\tb\n")
    for uri in URIS[:: 2 * len(SCHEMES) + 1]:
        called = [word.format(uri) for word in words]
        done = CliRunner().invoke(app, [*called, *(["--debug"] if words[0] != "{}" else [])])
        assert done.exit_code in (1, 2), f"{called}: {done.output}"
        assert SECRET not in done.output + done.stderr, called


@pytest.mark.parametrize("key", [*GraphConfig.model_fields])
def test_no_setting_of_the_graph_is_repeated(key: str) -> None:
    for value in (SECRET, [SECRET], {"x": SECRET}):
        said = ""
        try:
            load_config(overrides={f"graph.{key}": value}, environ={})
        except ConfigError as error:
            said = str(error)
        assert SECRET not in said


@pytest.mark.parametrize(
    "text",
    [
        "cannot use {'password': 's3cret-pw', 'x': 1}",
        "--set password=s3cret-pw: write section.key=value",
        'NEO4J_PASSWORD = "s3cret-pw"',
        "model.api_key='s3cret-pw' is unknown",
        "no template pack 'https://s3cret-pw@example.org/x'",
        "no graph at 'neo4j:s3cret-pw@db.example.org'",
        "//neo4j:s3cret-pw@localhost: no such file",
        "bolt:neo4j:s3cret-pw@host:7687 is not a run",
        "bolt: //neo4j:s3cret-pw@host:7687: no such file",
        "--password s3cret-pw: no such file or folder",
        "NEO4J_AUTH=neo4j/s3cret-pw is not a run",
        "unknown setting model.passphrase=s3cret-pw",
        "Authorization: Basic s3cret-pw: no such file",
        "no pack 'Bearer s3cret-pw'",
        "GET https://example.org/x?access_token=s3cret-pw&page=2 failed",
        "bolt://host:7687#s3cret-pw: no such file",
        "neo4j://host/?p%61ssword=s3cret-pw&x=1 is not a run",
        "hf_s3cret-pw0123456789abcdef is no checkpoint",
        "no item 'password: s3cret-pw'",
        "user: neo4j, Password:s3cret-pw: no such file or folder",
    ],
)
def test_every_error_replaces_secrets(text: str) -> None:
    for error in (KptoolError(text), ConfigError(text), DataError(text, "x.kg", 3)):
        assert SECRET not in str(error)
        assert "***" in str(error)


@given(st.sampled_from(FORMS), st.sampled_from(SCHEMES), st.text("abcXYZ019!$%^*-_.~+/ ", min_size=1, max_size=12))
def test_any_password_in_a_uri_is_replaced(form: str, scheme: str, password: str) -> None:
    secret = f"Q{password.strip()}Q"
    said = redacted(f"no graph answers at '{form.format(scheme, secret)}'; start one")
    if not {" ", "/"} & {*secret} or ("neo4j:" in form and "@" in form):
        assert secret not in said
    assert said.startswith("no graph answers at '")


@pytest.mark.parametrize(
    "text",
    [
        "no graph database answers at bolt://localhost:7687 (no user given); start a server",
        "bolt://[::1]:7687 (user ann@example.org) refused the user or the password; set NEO4J_USERNAME",
        "bolt://127.0.0.1:34567: Failed to read",
        "write embedded:PATH, neo4j://HOST:PORT or bolt://HOST:PORT (+s, +ssc)",
        "neo4j://host:7687?policy=europe went away",
        "no item '/a%20b?x=1&y=2#part'; see https://example.org/x#part",
        "no item 'name@de'; nearest: schema:name@de, e.g. 12:30@home",
        "C:/data/x@y.z: no such file; --password: no such option; --token -k",
        "a basic understanding of tokens; the bearer of it",
        "no item 'http://example.org/a@b'; nearest: user@example.org",
        "setting model.tokens: a checkpoint knows no phrase tokens; use auto or subword",
        "the prompt takes 11 tokens, tree.max_tokens allows 8 (given: 8)",
        "kg/password: No such file or directory",
        "graph.password: input should be a text",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert redacted(text) == text


def test_a_pack_that_is_a_uri_is_named_without_its_secret() -> None:
    with pytest.raises(KptoolError, match=r"no template pack 'bolt://\*\*\*@host'"):
        TemplatePack.load(URIS[0])


@pytest.mark.parametrize("scheme", ["https", "s3", "ftp", "postgresql+psycopg"])
@pytest.mark.parametrize("slashes", ["//", "/"])  # a path has one
def test_uris_of_other_kinds(scheme: str, slashes: str) -> None:
    said = redacted(f"{scheme}:{slashes}user:{SECRET}@host/x.kg: no such file")
    assert said == f"{scheme}:{slashes}***@host/x.kg: no such file"


_REPEATED = st.lists(
    st.sampled_from(
        [
            *("bolt://", "neo4j://a:", "http:/", "x://", "&pass", "token", "password", "secret=", "hf_", "sk-", "%40"),
            *("a", "a.", "-", ".", "?", "&", ";", ":", "/", "'", '"', " ", "=", "1", "@"),
            *("--password ", "neo4j:a@", "bearer ", "_auth=", "authorization: "),
        ]
    ),
    min_size=1,
    max_size=3,
)


@given(_REPEATED)
def test_a_long_message_takes_no_longer_than_many_short_ones(pieces: list[str]) -> None:
    assert_linear(redacted, "".join(pieces), 80_000)
