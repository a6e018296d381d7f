"""Settings of the model cache, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from image_gen.errors import SettingInvalidError, shown
from image_gen.model_cache.core.s3_uri import SCHEME, S3Uri
from image_gen.model_cache.core.token import HubToken, find_token

DEFAULT_MODEL = "stabilityai/stable-diffusion-xl-base-1.0"
DEMO_MODEL = "image-gen/demo"
DEMO_ALIAS = "demo"
# How much of a model a start hashes: all, only changed files, or none.
Verify = Literal["recorded", "full", "changed", "size"]
DEFAULT_ENDPOINT = "https://huggingface.co"
DEFAULT_BAKED_DIR = "/opt/models"
_LONGEST_TIMEOUT = 86_400
DEFAULT_READ_TIMEOUT = 10.0
_SOURCE_TREE_MANIFESTS = Path(__file__).resolve().parents[4] / "models"

# Of OpenSSL, of requests and of curl.
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# The variables of AWS's own tools that are supported: by obstore, and the file of credentials by this package.
_AWS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)  # fmt: skip


@dataclass(frozen=True)
class CacheSettings:
    """Directories, the hub's address and limits. Times are in seconds.

    `host_cache` is a hub cache of the host that is only read, `instance_store` a directory on a faster disk for a copy
    of the served model. `ca_file` (of `ca_variable`) and `ca_directories` are
    extra authorities to trust, `mirror` a directory or bucket of models that is asked before the hub, `parallel_files`
    how many files are read at once. A fetch uses `connections` to the hub, and gets files larger than `piece_bytes` in
    pieces of that size; with `direct` it takes no proxy. `endpoint_login` is the `user:password` of the endpoint's
    address; `token_problem` says why a token that was given (by `token_from`) can't be used. `aws` holds the standard
    AWS_* variables, for s3:// addresses.
    """

    hf_home: Path
    hub_cache: Path
    baked_dir: Path = Path(DEFAULT_BAKED_DIR)
    manifests_dir: Path = _SOURCE_TREE_MANIFESTS
    endpoint: str = DEFAULT_ENDPOINT
    endpoint_login: str = field(default="", repr=False)
    token: str | None = field(default=None, repr=False)
    token_from: str = "HF_TOKEN"  # noqa: S105 -- the name of a variable
    token_problem: str = ""
    host_cache: Path | None = None
    instance_store: Path | None = None
    ca_file: Path | None = None
    ca_variable: str = "SSL_CERT_FILE"
    ca_directories: str = ""
    direct: bool = False
    offline: bool = False
    connect_timeout: float = 10.0
    read_timeout: float = DEFAULT_READ_TIMEOUT
    parallel_files: int = 4
    mirror: Path | S3Uri | None = None
    connections: int = 4
    piece_bytes: int = 32 << 20
    aws: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def volume_root(self) -> Path:
        """The directory that must be writable: `hf_home`, or the cache itself when it is elsewhere."""
        return self.hf_home if self.hub_cache.is_relative_to(self.hf_home) else self.hub_cache

    @property
    def cached_manifests_dir(self) -> Path:
        """Where the manifests of models that were resolved from the hub are kept, beside the cache."""
        return self.hf_home / "image-gen" / "manifests"

    def with_token(self, token: HubToken) -> "CacheSettings":
        """The same, with this token."""
        return replace(self, token=token.value, token_from=token.variable, token_problem=token.problem)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "CacheSettings":
        """Reads the variables that Hugging Face's own tools read, and the service's own. Empty means unset."""

        def get(*names: str) -> str | None:
            return next((env[name] for name in names if env.get(name)), None)

        home = place_of("HF_HOME", get("HF_HOME") or "~/.cache/huggingface")
        cache = get("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE")
        ca_variable = next((name for name in _CA_VARIABLES if env.get(name)), _CA_VARIABLES[0])
        ca_file, host_cache = get(*_CA_VARIABLES), get("IMAGE_GEN_HOST_CACHE")
        instance_store = get("IMAGE_GEN_INSTANCE_STORE")
        endpoint, login = _endpoint(get("HF_ENDPOINT") or DEFAULT_ENDPOINT)
        token = find_token(env, home / "token")
        manifests = get("IMAGE_GEN_MANIFESTS")
        return cls(
            hf_home=home,
            hub_cache=place_of("HF_HUB_CACHE", cache) if cache else home / "hub",
            baked_dir=Path(get("IMAGE_GEN_BAKED_DIR") or DEFAULT_BAKED_DIR),
            manifests_dir=Path(manifests) if manifests else _SOURCE_TREE_MANIFESTS,
            endpoint=endpoint,
            endpoint_login=login,
            token=token.value,
            token_from=token.variable,
            token_problem=token.problem,
            host_cache=place_of("IMAGE_GEN_HOST_CACHE", host_cache) if host_cache else None,
            instance_store=place_of("IMAGE_GEN_INSTANCE_STORE", instance_store) if instance_store else None,
            ca_file=place_of(ca_variable, ca_file) if ca_file else None,
            ca_variable=ca_variable,
            ca_directories=get("SSL_CERT_DIR") or "",
            offline=(get("HF_HUB_OFFLINE") or "0").lower() in {"1", "true", "yes", "on"},
            mirror=_mirror(get("IMAGE_GEN_MIRROR")),
            aws={name: env[name] for name in _AWS if env.get(name)},
            read_timeout=_seconds("HF_HUB_DOWNLOAD_TIMEOUT", get("HF_HUB_DOWNLOAD_TIMEOUT")),
        )


def place_of(name: str, value: str) -> Path:
    """The path in a setting. Raises SETTING_INVALID where it can't be completed."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        why = "no home directory is known of this user, or of the one that is named"
        raise SettingInvalidError(f"{name}: {shown(value)}: {why}. Fix: {name}=/absolute/path") from error
    except FileNotFoundError as error:
        why = "the working directory was deleted"
        raise SettingInvalidError(f"{name}: {shown(value)}: {why}. Fix: cd to one, or {name}=/absolute/path") from error


def _endpoint(value: str) -> tuple[str, str]:
    """The address, and the `user:password` in it, which belongs in no message."""
    try:
        address = urlsplit(value)
        fine = address.scheme in {"http", "https"} and address.hostname and value.isprintable() and " " not in value
        fine = fine and (address.port or 1) > 0
    except ValueError:
        fine = False
    if not fine:
        shown = "another text" if "@" in value else repr(value)
        raise SettingInvalidError(f"HF_ENDPOINT: expected an http:// or https:// address, got {shown}")
    login, _, place = address.netloc.rpartition("@")
    return address._replace(netloc=place, query="", fragment="").geturl().rstrip("/"), unquote(login)


def _mirror(value: str | None) -> Path | S3Uri | None:
    if value is None:
        return None
    if value.startswith(SCHEME):
        return S3Uri.parse(value, "IMAGE_GEN_MIRROR")
    address = urlsplit(value)
    if address.scheme != "file" or address.netloc not in {"", "localhost"} or not address.path.startswith("/"):
        raise SettingInvalidError(
            f"IMAGE_GEN_MIRROR: expected s3://bucket/prefix or file:///directory, got {shown(value)}. A mirror over "
            "HTTP with a hub's API belongs in HF_ENDPOINT."
        )
    return Path(unquote(address.path))


def _seconds(name: str, value: str | None) -> float:
    try:
        seconds = float(value) if value else DEFAULT_READ_TIMEOUT
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        text = f"{name}: expected a number of seconds above 0, and at most {_LONGEST_TIMEOUT}, got {value!r}"
        raise SettingInvalidError(text)
    return seconds
