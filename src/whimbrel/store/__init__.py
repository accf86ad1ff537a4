"""The home on disk: one folder, one program at a time, one encrypted database, one writer."""
