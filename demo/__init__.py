"""`make demo`: two people's pages side by side, the ways between them, and switches that break the network.

The programs are the real ones: relay, bridges, apps and pages. Only the network under them is small: everything that the two apps
connect to or look up goes through a censor on this computer (`censor.py`), which does to it what its switches say. No root, no
namespaces, and nothing leaves loopback.
"""
