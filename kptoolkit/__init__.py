"""kptoolkit turns a knowledge graph in Neo4j into prompts that train, run and explain a recommender.

Names are imported when they are first used, so that ``import kptoolkit`` costs nothing and needs no torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, _lazy = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_lazy, "__version__"]


def __dir__() -> list[str]:
    return __all__
