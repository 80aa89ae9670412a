"""Optional pipelines on the same data and code: `dvc repro studies/NAME/dvc.yaml` runs one."""
