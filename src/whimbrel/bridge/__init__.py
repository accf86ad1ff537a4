"""A bridge: passes sealed letters and sessions on to relays, and is a web site to strangers. It can open nothing."""
