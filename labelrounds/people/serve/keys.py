"""Which key gives which label on the page."""

from labelrounds.core.params import Params
from labelrounds.core.params.rules import PAGE_KEYS

FREE = "123456789abcdefghijklmnopqrstuvwxyz"


def of_labels(settings: Params) -> dict[str, str]:
    """Returns {label: its key}: those of `serve.keys`, then 1 to 9 and letters; empty where no key is left."""
    given = {label: key.lower() for label, key in settings.serve.keys.items()}
    free = iter([key for key in FREE if key not in PAGE_KEYS and key not in given.values()])
    return {label: given.get(label) or next(free, "") for label in settings.task.labels}
