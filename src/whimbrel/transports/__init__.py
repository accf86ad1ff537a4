"""How bytes get to a relay: one small file for each way of carrying, and a registry that puts them together."""
