"""Credentials in a file that somebody else renews: `AWS_SHARED_CREDENTIALS_FILE`, in the format of AWS's own tools."""

from configparser import ConfigParser
from configparser import Error as ParserError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from image_gen.errors import SettingInvalidError

VARIABLE = "AWS_SHARED_CREDENTIALS_FILE"
_PROFILE = "default"
# How long credentials are used before the file is read again: less than the file's own are good for.
_USED_FOR = timedelta(minutes=5)


class CredentialsFile:
    """What obstore asks for credentials; it asks again when they have expired."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def __call__(self) -> Any:
        """The file's credentials as they are now."""
        parser = ConfigParser(interpolation=None)
        try:
            parser.read_string(self._path.read_text(encoding="utf-8"))
            profile = parser[_PROFILE]
            keys = {name: profile[f"aws_{name}"].strip() for name in ("access_key_id", "secret_access_key")}
        except (OSError, UnicodeDecodeError, ParserError, KeyError) as error:
            raise SettingInvalidError(
                f"{VARIABLE}: no credentials can be read from {self._path} ({_reason(error)}). "
                f"Fix: write aws_access_key_id and aws_secret_access_key into its profile [{_PROFILE}]."
            ) from error
        return {
            **keys, "token": profile.get("aws_session_token", "").strip() or None,
            "expires_at": datetime.now(UTC) + _USED_FOR,
        }  # fmt: skip


def _reason(error: Exception) -> str:
    """Never a line of the file."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]} in it"
    return "it has another format"
