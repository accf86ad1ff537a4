"""How to get there: which way to dial and when, what waits to be answered, what is watched.

Pure: `Link.next(now, events)` decides and touches nothing; `whimbrel.transports` and the client do.
"""
