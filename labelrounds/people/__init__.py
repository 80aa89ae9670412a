"""What people type: the command line, init, import, status, results, compare, history, and the demo's people.

The top floor: it may import every other one, and nothing imports it. The installed command `labelrounds` calls it.
"""
