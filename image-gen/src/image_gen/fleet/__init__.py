"""Many workers and one queue: jobs come from SQS, results go to S3, and any gateway or program can read both.

Comes in: the queue's messages. Goes out: pictures and results in the job store. Must not: schedule; SQS delivers and
delivers again, and Auto Scaling adds and removes hosts.
"""
