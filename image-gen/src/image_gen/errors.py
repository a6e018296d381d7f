"""Every error that the service and the command report, one class for each stable `code`.

The class says whether a retry alone can help, the command's exit code and the status of the images API. Programs may
test `code`; nothing compares messages.
"""

import re
from typing import ClassVar, Final

OK, FAILED, USAGE, DAMAGED, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130


class ImageGenError(Exception):
    """Base class. `message` is one line that says what happened and how to fix it."""

    code: ClassVar[str] = "ERROR"
    exit_code: ClassVar[int] = FAILED
    http_status: ClassVar[int] = 500
    retryable: bool = False

    def __init_subclass__(cls, *, code: str, exit_code: int = FAILED, http_status: int = 500, retryable: bool = False):
        cls.code, cls.exit_code, cls.http_status, cls.retryable = code, exit_code, http_status, retryable
        BY_CODE[code] = cls

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, object]:
        """The error in `/readyz` and in `--json` output."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


BY_CODE: Final[dict[str, type[ImageGenError]]] = {}


# Settings and arguments
def shown(text: str) -> str:
    """A setting's value as a message shows it: an address without its user and password."""
    return repr(re.sub(r"//.*@", "//***@", text, flags=re.DOTALL))


class SettingInvalidError(ImageGenError, code="SETTING_INVALID"): ...


class UsageError(ImageGenError, code="USAGE", exit_code=USAGE): ...


class ModelIdInvalidError(ImageGenError, code="MODEL_ID_INVALID", http_status=400): ...


class ModelDirInvalidError(ImageGenError, code="MODEL_DIR_INVALID"): ...


class VaeInvalidError(ImageGenError, code="VAE_INVALID"): ...


class LoraInvalidError(ImageGenError, code="LORA_INVALID"): ...


class SafetyCheckerInvalidError(ImageGenError, code="SAFETY_CHECKER_INVALID"): ...


# Models and manifests
class NotAPipelineError(ImageGenError, code="NOT_A_PIPELINE"): ...


class UnsafeModelError(ImageGenError, code="UNSAFE_MODEL"): ...


class ManifestInvalidError(ImageGenError, code="MANIFEST_INVALID"): ...


class ManifestNotFoundError(ImageGenError, code="MANIFEST_NOT_FOUND"): ...


class ModelNotCachedError(ImageGenError, code="MODEL_NOT_CACHED", http_status=404): ...


class ModelInUseError(ImageGenError, code="MODEL_IN_USE", exit_code=REFUSED, http_status=409): ...


class DemoFailedError(ImageGenError, code="DEMO_FAILED"): ...


# Hubs, mirrors and S3
class HubError(ImageGenError, code="HUB_ERROR"): ...


class HubSilentError(ImageGenError, code="HUB_SILENT", retryable=True): ...


class HubUnreachableError(ImageGenError, code="HUB_UNREACHABLE", retryable=True): ...


class ProxyFailedError(ImageGenError, code="PROXY_FAILED"): ...


class CertificateUntrustedError(ImageGenError, code="CERTIFICATE_UNTRUSTED"): ...


class RateLimitedError(ImageGenError, code="RATE_LIMITED", retryable=True): ...


class OfflineError(ImageGenError, code="OFFLINE"): ...


class UnauthorizedError(ImageGenError, code="UNAUTHORIZED"): ...


class GatedModelError(ImageGenError, code="GATED_MODEL"): ...


class ModelNotFoundError(ImageGenError, code="MODEL_NOT_FOUND"): ...


class RevisionNotFoundError(ImageGenError, code="REVISION_NOT_FOUND"): ...


class FileMissingError(ImageGenError, code="FILE_NOT_FOUND"): ...


class CorruptDownloadError(ImageGenError, code="CORRUPT_DOWNLOAD"): ...


class S3Error(ImageGenError, code="S3_ERROR"): ...


class S3SilentError(ImageGenError, code="S3_SILENT", retryable=True): ...


class S3UnreachableError(ImageGenError, code="S3_UNREACHABLE", retryable=True): ...


class S3NoCredentialsError(ImageGenError, code="S3_NO_CREDENTIALS"): ...


class S3ExpiredError(ImageGenError, code="S3_EXPIRED"): ...


class S3DeniedError(ImageGenError, code="S3_DENIED"): ...


class S3NotFoundError(ImageGenError, code="S3_NOT_FOUND"): ...


class S3RegionError(ImageGenError, code="S3_REGION"): ...


class S3ClockError(ImageGenError, code="S3_CLOCK"): ...


# The cache and backups
class CorruptCacheError(ImageGenError, code="CORRUPT_CACHE", exit_code=DAMAGED): ...


class CacheBusyError(ImageGenError, code="CACHE_BUSY", http_status=409, retryable=True): ...


class CacheChangedError(ImageGenError, code="CACHE_CHANGED", retryable=True): ...


class CacheReadOnlyError(ImageGenError, code="CACHE_READ_ONLY"): ...


class CacheNotWritableError(ImageGenError, code="CACHE_NOT_WRITABLE"): ...


class CacheError(ImageGenError, code="CACHE_ERROR", http_status=503): ...


class DiskFullError(ImageGenError, code="DISK_FULL"): ...


class NothingToBackUpError(ImageGenError, code="NOTHING_TO_BACK_UP"): ...


class BackupFailedError(ImageGenError, code="BACKUP_FAILED"): ...


class BackupInvalidError(ImageGenError, code="BACKUP_INVALID"): ...


class BackupUnsafeError(ImageGenError, code="BACKUP_UNSAFE", exit_code=REFUSED): ...


class CorruptBackupError(ImageGenError, code="CORRUPT_BACKUP", exit_code=DAMAGED): ...


class ZstdMissingError(ImageGenError, code="ZSTD_MISSING"): ...


# The worker and the images API
class NoGpuError(ImageGenError, code="NO_GPU"): ...


class GpuUnusableError(ImageGenError, code="GPU_UNUSABLE"): ...


class OutOfMemoryError(ImageGenError, code="OUT_OF_MEMORY"): ...


class EngineError(ImageGenError, code="ENGINE_ERROR"): ...


class PictureInvalidError(ImageGenError, code="PICTURE_INVALID"): ...


class ContentPolicyError(ImageGenError, code="CONTENT_POLICY_VIOLATION", http_status=400): ...


class GpuFaultError(ImageGenError, code="GPU_FAULT", http_status=503, retryable=True): ...


class InternalError(ImageGenError, code="INTERNAL_ERROR", retryable=True): ...


class EngineDiedError(ImageGenError, code="ENGINE_DIED", http_status=503, retryable=True): ...


class NotReadyError(ImageGenError, code="NOT_READY", http_status=503, retryable=True): ...


class QueueFullError(ImageGenError, code="QUEUE_FULL", http_status=429, retryable=True): ...


class JobsFullError(ImageGenError, code="JOBS_FULL", http_status=429, retryable=True): ...


class JobsStorageFullError(ImageGenError, code="JOBS_STORAGE_FULL", http_status=507, retryable=True): ...


class JobsUnavailableError(ImageGenError, code="JOBS_UNAVAILABLE", http_status=503, retryable=True): ...


class JobNotMadeError(ImageGenError, code="JOB_NOT_MADE"): ...


class QueueUnavailableError(ImageGenError, code="QUEUE_UNAVAILABLE", http_status=503, retryable=True): ...


class NoWorkerError(ImageGenError, code="NO_WORKER", http_status=503, retryable=True): ...


class StoppingError(ImageGenError, code="STOPPING", http_status=503, retryable=True): ...


class CancelledError(ImageGenError, code="CANCELLED", exit_code=INTERRUPTED, http_status=503): ...


class RequestTimeoutError(ImageGenError, code="TIMEOUT", http_status=504): ...


class ClientGoneError(ImageGenError, code="CLIENT_GONE", http_status=499): ...
