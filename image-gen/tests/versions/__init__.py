"""What each version left on a volume and in a bucket, kept in `test/fixtures/<version>`, and read by this version.

`record.py` writes those files for the present version; `npm run fixtures` runs it. The tests never write them.
"""
