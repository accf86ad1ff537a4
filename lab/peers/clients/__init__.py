"""Programs that people of a peer run; each is a process of its own."""
