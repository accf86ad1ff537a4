"""The relay: keeps sealed, append-only logs and sealed blobs for whoever holds the right token, and knows nothing else.

Start with `engine` (what each operation does), `storage` (what is on disk, and when), `watching` (who is told), then
`server` (the parts put together) and `http` (how it looks from outside). In words: docs/protocol/relay.md.
"""
