"""The gateway of a fleet: an HTTP service without a GPU, with the API of one host.

Comes in: requests. Goes out: jobs to the queue, results from the job store. Must not: make pictures, or keep anything
that another gateway does not find in the job store.
"""
