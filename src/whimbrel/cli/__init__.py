"""The command `whimbrel`: words in, one call to the client, lines out. It decides nothing about the protocol."""
