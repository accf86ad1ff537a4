"""The program that stays up: it holds the client, and serves it to commands (a Unix socket) and to the page (loopback)."""
