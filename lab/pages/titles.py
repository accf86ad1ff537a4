"""Measures in few words, and in the order of the ladder."""

from __future__ import annotations

from pathlib import Path

from lab.measures import UnknownMeasure, load, names

_TITLES = {
    "S0": "open network",
    "S1": "names removed",
    "S2": "and other resolvers closed",
    "S3": "forged answers, beside the true",
    "S3b": "forged answers, in their place",
    "S4": "reset by name",
    "S5": "silence by name, naive",
    "S5r": "silence by name, reassembling",
    "S6": "throttled by address",
    "S6p": "throttled by name, policer",
    "S7": "capacity 5 by name",
    "S7b": "4 of 5 connections fail",
    "S8": "calls off",
    "S9": "QUIC off",
    "S10": "VPN signatures",
    "S11": "fully encrypted (China)",
    "S11b": "large and unknown (Russia)",
    "S12": "fingerprints, ECH",
    "S13": "probing and listing",
    "S14": "curtain, 25 packets",
    "S14b": "curtain, 16 KB",
    "S15": "policing, 12 a minute",
    "S15s": "policing, 4 a minute",
    "S16": "everything, by seed",
    "S22": "lifted step by step",
}


def title(name: str) -> str:
    if name in _TITLES:
        return _TITLES[name]
    try:
        return load(name).about[:34]
    except UnknownMeasure:
        return ""


def short(name: str) -> str:
    return Path(name).stem[:8] if name.endswith(".py") else name


def place_of(name: str) -> int:
    order = list(names())
    return order.index(name) if name in order else len(order)
