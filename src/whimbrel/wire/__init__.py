"""What a relay and an app say to each other: operations, letters, streams, texts. Pure: no socket, file, clock or chance.

Start with `operations` and `answers` (what is said), then `codec` (their bytes), `letters` (how they are sealed) and
`streams` (how a sealed conversation goes on). The same in words and numbers: docs/protocol/.
"""
