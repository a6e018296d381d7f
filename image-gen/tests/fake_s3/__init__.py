"""An S3 server on loopback for the tests of several folders: `fixtures` are for their `conftest.py`."""
