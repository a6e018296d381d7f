"""Translates HTTP errors of a hub into errors that say how to fix them."""

from typing import TYPE_CHECKING

from image_gen import errors
from image_gen.model_cache.core.settings import CacheSettings

if TYPE_CHECKING:
    import httpx2


def to_user_error(
    answer: "httpx2.Response", settings: CacheSettings, model_id: str, revision: str, path: str | None
) -> errors.ImageGenError:
    """Maps status and `X-Error-Code` of a hub's answer to an error that says what to do."""
    status, code = answer.status_code, answer.headers.get("X-Error-Code", "")
    endpoint, has_token = settings.endpoint, settings.token is not None
    page = f"{endpoint}/{model_id}"
    if status in {401, 403}:
        return _forbidden(status, code, endpoint, has_token, model_id)
    if status == 404:
        if code == "RevisionNotFound":
            return errors.RevisionNotFoundError(
                f"{model_id} has no revision {revision!r} at {endpoint}. Fix: set MODEL_REVISION to a commit of "
                f"{page}/commits/main, or leave it empty."
            )
        if code == "RepoNotFound" or path is None:
            return _not_found(endpoint, has_token, model_id)
        return errors.FileMissingError(f"{model_id} has no file {path} at revision {revision} at {endpoint}.")
    if status == 429:
        return errors.RateLimitedError(
            f"{endpoint} takes no more requests for now (429). Wait a few minutes, or set HF_TOKEN to get a higher "
            "limit; what has arrived is kept."
        )
    return errors.HubError(
        f"{endpoint} answers with status {status} when asked for {path or model_id}. Try again later, or set "
        "HF_ENDPOINT to a mirror; what has arrived is kept.",
        retryable=status >= 500 or status == 408,
    )


def _forbidden(status: int, code: str, endpoint: str, has_token: bool, model_id: str) -> errors.ImageGenError:
    page = f"{endpoint}/{model_id}"
    if code == "GatedRepo":
        how = (
            "ask for access there with the account that HF_TOKEN belongs to"
            if has_token
            else "accept its terms there and set HF_TOKEN to a token of that account"
        )
        return errors.GatedModelError(f"{model_id} is gated. Visit {page}, {how}, then start again.")
    if code == "RepoNotFound":
        return _not_found(endpoint, has_token, model_id)
    if has_token:
        why = "is not valid" if status == 401 else "may not read this model"
        return errors.UnauthorizedError(
            f"{endpoint} refuses {model_id}: the token {why}. Make one that can read it at {endpoint}/settings/tokens "
            "and set HF_TOKEN."
        )
    return errors.UnauthorizedError(
        f"{endpoint} wants a token for {model_id}. Make one at {endpoint}/settings/tokens, set HF_TOKEN."
    )


def _not_found(endpoint: str, has_token: bool, model_id: str) -> errors.ImageGenError:
    private = "the account of HF_TOKEN can't see it" if has_token else "it is private and needs HF_TOKEN"
    return errors.ModelNotFoundError(
        f"{endpoint} has no model {model_id}, or {private}. Fix: check the spelling of MODEL_ID."
    )
