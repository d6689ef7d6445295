"""Everything that talks to a graph database.

Names are imported on first use, since the child process of the embedded graph needs no driver.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
