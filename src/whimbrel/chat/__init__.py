"""What is said: contents, conversations, and what a home remembers of them. Pure."""
