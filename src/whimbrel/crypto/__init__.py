"""People's keys: MLS groups, accounts, device lists, files. Pure: bytes in, bytes out."""
