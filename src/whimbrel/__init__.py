"""Whimbrel: a private messenger that keeps people connected when the network is against them."""

__version__ = "0.1.0"
