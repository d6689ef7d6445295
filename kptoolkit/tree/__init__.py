"""The knowledge tree: selects triples, orders them under their parents, and defines which token sees which.

Names are imported on first use, since recommending from a run needs no networkx.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
