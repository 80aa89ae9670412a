"""What every other floor stands on: errors, atomic files, locks, tables, downloads, git revisions, paths, parameters, the
task and its examples.

It imports no other floor. Everybody calls it.
"""
