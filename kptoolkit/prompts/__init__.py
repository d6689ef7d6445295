"""Template packs: sentence templates that turn triples and histories into prompts (KP4SR, sections 3.2 and 3.3)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
