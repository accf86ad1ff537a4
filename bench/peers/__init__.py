"""Other people's servers, each started in a folder of its own on loopback, to stand beside our relay in the same run.

One file for each server; `debian` has where they come from, `process` what they have in common as processes, `xmpp` and
`pairs` how they are talked to. None of the system's own services is used or touched.
"""
