"""kptoolkit turns a knowledge graph in Neo4j into prompts that train, run and explain a recommender.

Names are imported when they are first used, so that ``import kptoolkit`` costs nothing and needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Backend": "kptoolkit.models",
    "Catalogue": "kptoolkit.data.catalogue",
    "Config": "kptoolkit.config",
    "Graph": "kptoolkit.graph",
    "Interactions": "kptoolkit.data.interactions",
    "KnowledgeTree": "kptoolkit.tree",
    "KptoolError": "kptoolkit.errors",
    "MppTemplate": "kptoolkit.prompts",
    "Neighbourhoods": "kptoolkit.graph",
    "Run": "kptoolkit.run",
    "Segment": "kptoolkit.prompts",
    "TemplatePack": "kptoolkit.prompts",
    "evaluate": "kptoolkit.pipeline",
    "explain": "kptoolkit.explanations",
    "fit": "kptoolkit.pipeline",
    "load": "kptoolkit.pipeline",
    "load_config": "kptoolkit.config",
    "read_interactions": "kptoolkit.data.interactions",
    "register": "kptoolkit.models",
    "write_back": "kptoolkit.explanations",
}
__all__ = [*_HOME, "__version__"]

if TYPE_CHECKING:
    from kptoolkit.config import Config as Config
    from kptoolkit.config import load_config as load_config
    from kptoolkit.data.catalogue import Catalogue as Catalogue
    from kptoolkit.data.interactions import Interactions as Interactions
    from kptoolkit.data.interactions import read_interactions as read_interactions
    from kptoolkit.errors import KptoolError as KptoolError
    from kptoolkit.explanations import explain as explain
    from kptoolkit.explanations import write_back as write_back
    from kptoolkit.graph import Graph as Graph
    from kptoolkit.graph import Neighbourhoods as Neighbourhoods
    from kptoolkit.models import Backend as Backend
    from kptoolkit.models import register as register
    from kptoolkit.pipeline import evaluate as evaluate
    from kptoolkit.pipeline import fit as fit
    from kptoolkit.pipeline import load as load
    from kptoolkit.prompts import MppTemplate as MppTemplate
    from kptoolkit.prompts import Segment as Segment
    from kptoolkit.prompts import TemplatePack as TemplatePack
    from kptoolkit.run import Run as Run
    from kptoolkit.tree import KnowledgeTree as KnowledgeTree


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kptoolkit' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
