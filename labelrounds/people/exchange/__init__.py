"""What other tools write: labelled files are read here, whatever tool they come from.

Part of people/. `init` and `import` call it.
"""
