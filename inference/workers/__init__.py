"""Several server processes on one port: forked off one that has its imports done, restarted, drained.

Forked, so that what was imported is in memory once and a worker that died is back in a fraction of what a new
interpreter takes. What must not exist before a fork comes after it: threads, the event loop, the prediction
log's lock, ONNX Runtime's sessions and a GPU's context.

Limits, of callers and of load, are each worker's own. Events are taken in by the worker that is sent the
first one; the others refuse them with 503.

Each worker listens on a socket of its own (SO_REUSEPORT). On one inherited socket, of 8 connections that came
at once a worker got 7.5 on average; with a socket each, 5.5, and at most 39 of 64. What waits unaccepted at a
worker that is killed is lost, as with a server of one process.

What the workers do not share is their memory of request ids: a retry that another worker gets than the first
time is predicted and logged again, and may be answered otherwise than the first time was (a feature may have
changed meanwhile), or not be refused though its fields differ. Readers of the log count the first. A caller
that keeps its connection, as clients do, reaches the same worker; serve with one worker where that is not
enough.
"""
