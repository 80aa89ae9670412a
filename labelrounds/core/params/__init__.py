"""params.yaml: what may stand in it (types, sections, rules), how it is read (source, reading), and how mistakes are reported (mistakes)."""

from labelrounds.core.params.reading import load, named, unchanged
from labelrounds.core.params.sections import Data, Finetune, LanguageModel, Lora, Params, Prompt, Recipe, Split, Stop, Unlabelled
from labelrounds.core.params.source import PATH, line_of
from labelrounds.core.params.types import Amount, Count, Numbers, Section, Share

__all__ = ["PATH", "Amount", "Count", "Data", "Finetune", "LanguageModel", "Lora", "Numbers", "Params", "Prompt"]
__all__ += ["Recipe", "Section", "Share", "Split", "Stop", "Unlabelled", "line_of", "load", "named", "unchanged"]
