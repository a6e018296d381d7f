"""The worker's environment: the server's, without what a model's code could misuse.

The worker reads files and sockets that the server gives it; it needs no key, no token and no credential.
"""

import re
from collections.abc import Mapping
from typing import Final

# Parts of names: HF_TOKEN, IMAGE_GEN_API_KEY, AWS_SECRET_ACCESS_KEY, OTEL_EXPORTER_OTLP_HEADERS, PGPASSWORD.
_SECRET_NAME: Final = re.compile(
    r"(^|_)(\w*TOKEN|\w*PASSWORD|PASSWD|PASSPHRASE|\w*SECRETS?|\w*KEYS?|CREDENTIALS?|HEADERS|AUTH|AUTHORIZATION|COOKIE)(_|$)",
    re.IGNORECASE,
)
# Each of these is a credential, or leads to one.
_CLOUD: Final = ("AWS_", "AZURE_", "GOOGLE_", "GCLOUD_", "OCI_", "ALIBABA_CLOUD_")
# A user or a password in an address: of a proxy, a mirror, a hub.
_LOGIN: Final = re.compile(r"://[^/?#@\s]*@")


def worker_environment(env: Mapping[str, str]) -> dict[str, str]:
    """All variables but secrets."""
    return {name: value for name, value in env.items() if not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    return _SECRET_NAME.search(name) is not None or name.upper().startswith(_CLOUD) or _LOGIN.search(value) is not None
