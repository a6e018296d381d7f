"""Each error that `/readyz` can show, reached by the real service, and gone after its printed fix.

In: the real server, a hub, a bucket and file systems on this machine; the engine is the fake one, where an error is the
engine's. Must not: fix anything in a way that the message does not print.
"""
