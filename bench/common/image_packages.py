"""Run by `npm run bench:room` in the service's image: what its Python packages weigh, by their own records, as JSON.

In: nothing. Out: bytes by package as they were installed, and the bytes of what no record has: byte code, mostly.
"""

import json
from importlib.metadata import distributions
from pathlib import Path

site = next(Path("/opt/venv/lib").glob("python*/site-packages"))
sizes = {}
for package in distributions(path=[str(site)]):
    files = [Path(str(site / file)) for file in package.files or []]
    # A file that the image was made smaller by is in the record, and not there.
    sizes[package.metadata["Name"]] = sum(file.lstat().st_size for file in files if file.is_file())
total = sum(file.lstat().st_size for file in Path("/opt/venv").rglob("*") if file.is_file())
print(json.dumps({**sizes, "byte code": total - sum(sizes.values())}))
