"""One file a rule, of the same name: load, build, do, save.

A stage offers a docstring (its help), `add_arguments(parser)` and `run(...)` with typed keyword
arguments. Only stages take paths that came from a command line.
"""
