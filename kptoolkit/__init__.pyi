from .config import Config as Config
from .config import load_config as load_config
from .data.catalogue import Catalogue as Catalogue
from .data.interactions import Interactions as Interactions
from .data.interactions import read_interactions as read_interactions
from .errors import KptoolError as KptoolError
from .explain.explanations import explain as explain
from .graph.database import Graph as Graph
from .graph.neighbourhoods import Neighbourhoods as Neighbourhoods
from .models.backend import Backend as Backend
from .models.registry import register as register
from .pipeline import Run as Run
from .pipeline import evaluate as evaluate
from .pipeline import fit as fit
from .pipeline import load as load
from .prompts.pack import TemplatePack as TemplatePack
from .prompts.templating.mpp import MppTemplate as MppTemplate
from .prompts.templating.triplet_sentences import Segment as Segment
from .report.write_report import write_report as write_report
from .runs.ensemble import Ensemble as Ensemble
from .runs.write_recommendations import write_back as write_back
from .studies.evaluate_runs import evaluate_runs as evaluate_runs
from .studies.fit_seeds import fit_seeds as fit_seeds
from .tree.knowledge_tree import KnowledgeTree as KnowledgeTree

__all__: list[str]
__version__: str
