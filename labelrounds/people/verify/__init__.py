"""Does the pipeline give the same again: its runs in clones, and how much of them is the same, stage by stage."""
