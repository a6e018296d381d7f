"""The fake of S3 beside the servers of `serving`."""

from fake_s3.fixtures import aws, proxy, s3_server

__all__ = ["aws", "proxy", "s3_server"]
