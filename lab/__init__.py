"""A blocked network in a box: a city of network namespaces, measures that block it, and people who go on talking.

`city` makes the namespaces and what stands in them, `measures` are what a state does to them, `run` lets people talk through both
and writes down what happened. Nothing of it is part of the package."""
