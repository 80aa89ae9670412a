"""Optional pipelines on the same data and code: `dvc repro studies/NAME/dvc.yaml` runs one."""

from labelrounds.core import portable

portable.settle()  # before a study imports numpy or torch
