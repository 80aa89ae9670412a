"""An attack on a project: kills, fuzz, many at once, disks that are full or read-only, and a checker that trusts none of our code.

`python -m tests.attack --minutes 10` (make attack) runs all of it and prints what was tried and what came out, as docs/safety.md shows.
Everything is drawn from one seed. A figure that should be 0 and is not ends it with exit code 1.
"""
