"""Stands in for BuildKit's usual scanner, which lies in a registry that tests can't reach: lists the Python packages.

In: `BUILDKIT_SCAN_SOURCE`, the finished image's root. Out: an SPDX document in an in-toto statement, as BuildKit asks
of its scanners.
"""

import json
import os
import pathlib

source = pathlib.Path(os.environ["BUILDKIT_SCAN_SOURCE"])
installed = sorted(source.glob("opt/venv/lib/*/site-packages/*.dist-info"))
packages = [path.name.removesuffix(".dist-info").rsplit("-", 1) for path in installed]
document = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": source.name,
    "packages": [{"SPDXID": f"SPDXRef-{name}", "name": name, "versionInfo": version} for name, version in packages],
}
statement = {
    "_type": "https://in-toto.io/Statement/v0.1",
    "predicateType": "https://spdx.dev/Document",
    "predicate": document,
}
(pathlib.Path(os.environ["BUILDKIT_SCAN_DESTINATION"]) / f"{source.name}.spdx.json").write_text(json.dumps(statement))
