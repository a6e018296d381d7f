"""What a reader wants to know of each variable, field, status and error code. `service.py` holds it to the code."""

from typing import Final

# Name: (default as a reader sees it, meaning). The legal values come from the settings' own checks.
ENVIRONMENT: Final[dict[str, tuple[str, str]]] = {
    "MODEL_ID": (
        "`stabilityai/stable-diffusion-xl-base-1.0`; in a baked image, its model",
        "The model to serve: `<organisation>/<name>` on the Hub, with `@<revision>` or without, and with "
        "`/<file>.safetensors` for a checkpoint there; a path as in `MODEL_DIR`, or `demo`.",
    ),
    "MODEL_REVISION": (
        "",
        "Commit, tag or branch. Empty: the commit of the manifest, or of `main` at the first download.",
    ),
    "MODEL_DIR": (
        "",
        "Directory of a diffusers pipeline, or a `.safetensors` checkpoint of Stable Diffusion 1.x or SDXL. It is used "
        "before anything else and nothing is downloaded. Its path is the name of the model in `/readyz` and in the "
        "API.",
    ),
    "VAE_ID": ("", "A VAE with a manifest, used in place of the model's own."),
    "IMAGE_GEN_LORAS": (
        "",
        "LoRAs that requests choose by name: `name=org/repository@commit`, with `/file.safetensors` where the "
        "repository has several, or `name=/path`. See [LoRAs](../guides/models.md#loras).",
    ),
    "IMAGE_GEN_FEW_STEPS": (
        "`none`",
        "`lcm`, `lightning` or `hyper`: requests without `loras` are made in few steps by the LoRA of this name in "
        "`IMAGE_GEN_LORAS`. See [LoRAs](../guides/models.md#loras).",
    ),
    "IMAGE_GEN_SAFETY_CHECKER": (
        "",
        "A safety checker that withholds pictures, such as `CompVis/stable-diffusion-safety-checker`, with `@<commit>` "
        "to pin it. See [a safety checker](../guides/models.md#a-safety-checker).",
    ),
    "IMAGE_GEN_ENGINE_OPTIONS": (
        "`auto`",
        "What makes the engine faster: some of `batches`, `prompt-cache`, `channels-last`, `fused-projections`, with "
        "commas between them; `auto`: those that were measured to change no picture beyond rounding; `none`. See "
        "[speed](../guides/models.md#speed).",
    ),
    "IMAGE_GEN_COMPILE": ("`0`", "`1` compiles the repeated blocks of the UNet or transformer at the first picture."),
    "IMAGE_GEN_COMPILE_CACHE": (
        "",
        "`s3://bucket/prefix`: what is compiled is put there, and a new host with the same GPU and versions compiles "
        "nothing for pictures of the warm-up's size. Only with `IMAGE_GEN_COMPILE=1`. It is code: "
        "only who may change the service may write there. See [compiling]"
        "(../guides/models.md#compiling).",
    ),
    "IMAGE_GEN_API_KEY": (
        "",
        "Where set, every path but `/`, `/healthz` and `/readyz` requires `Authorization: Bearer <key>`. Several keys: "
        '`{"<name>": "<key>"}`.',
    ),
    "IMAGE_GEN_API_KEYS_FILE": (
        "",
        "File with the keys of several clients; read again when it changes. See [several keys]"
        "(../guides/security.md#several-keys).",
    ),
    "IMAGE_GEN_ALLOWED_HOSTS": (
        "",
        "Names under which the service may be asked; a request with another `Host` gets 421. `*.example.com` stands "
        "for every name below example.com. Empty: any name. `localhost`, `/healthz` and `/readyz` are always allowed.",
    ),
    "IMAGE_GEN_CORS_ORIGINS": (
        "",
        "Origins whose pages may use the service in a browser (CORS); `*`: all. Empty: none but its own page.",
    ),
    "HF_ENDPOINT": ("`https://huggingface.co`", "Address of the Hub, or of a mirror that has the Hub's API."),
    "HOST": ("`0.0.0.0`", "Address that the service listens on, inside the container."),
    "PORT": ("`8000`", "Port that the service listens on, inside the container."),
    "IMAGE_GEN_DEVICE": ("`auto`", "Device that the model is loaded on. `auto`: CUDA, then MPS, then the CPU."),
    "IMAGE_GEN_DTYPE": ("`auto`", "Number format of the weights. `auto`: `float16` on CUDA, `float32` on the CPU."),
    "IMAGE_GEN_OFFLOAD": (
        "`auto`",
        "Where the model is when the GPU's memory is too small for it: `encoders`: all but the text encoders are on "
        "it, `model`: each part is on the GPU while it works, `layers`: each layer, `none`: all of it, `auto`: by what "
        "is free. See [cards with little memory](../guides/models.md#cards-with-little-memory).",
    ),
    "IMAGE_GEN_QUEUE_LIMIT": (
        "`8`",
        "Requests that may wait. Further ones get 429 with `Retry-After`; who then returns in time has a place, "
        "up to four times as many.",
    ),
    "IMAGE_GEN_REQUEST_TIMEOUT": ("`600`", "Seconds after which a request is cancelled and answered with 504."),
    "IMAGE_GEN_DRAIN_TIMEOUT": (
        "`20`",
        "Seconds that the picture in progress may still take when the service stops. The stacks and Compose set 50.",
    ),
    "IMAGE_GEN_LOG_FORMAT": (
        "`text`",
        "`json`: each line of the log is an object with `time`, `level`, `logger`, `message`, and `request_id` and "
        "`key` (the name of the API key) where it belongs to a request.",
    ),
    "IMAGE_GEN_WARMUP_SIZE": (
        "`0`",
        "Side of the first picture, in pixels. `0`: the model's own size on a GPU, at most 256 on the CPU.",
    ),
    "IMAGE_GEN_VERIFY": (
        "`recorded`; `size` for a baked model",
        "How much of the model each start verifies. See [the cache](../concepts/cache.md#what-a-start-verifies).",
    ),
    "IMAGE_GEN_MAX_SIZE": (
        "`1536`",
        "Longest side of a picture, in pixels. It also bounds the size of a request without one, and of the first "
        "picture.",
    ),
    "IMAGE_GEN_ENGINES": (
        "`auto`",
        "Workers, each with the whole model, that take pictures from one queue. `auto`: one for each GPU that is "
        "visible (`CUDA_VISIBLE_DEVICES`), one without a GPU.",
    ),
    "IMAGE_GEN_JOBS": (
        "`disk`",
        "Where [jobs](../guides/jobs.md) are kept: on the volume beside the cache, in memory alone (they end with the "
        "service), or nowhere.",
    ),
    "IMAGE_GEN_JOBS_KEEP": ("`86400`", "Seconds that a job and its pictures are kept after its end."),
    "IMAGE_GEN_JOBS_LIMIT": ("`1000`", "Jobs that may wait. Further ones get 429."),
    "IMAGE_GEN_WEBHOOK_SECRET": (
        "",
        "Signs [webhooks](../guides/jobs.md#webhooks); without it there are none. `whsec_` and base64. In a "
        "[fleet](../guides/gateway.md#webhooks) the same for all gateways and workers.",
    ),
    "IMAGE_GEN_WEBHOOK_PRIVATE": (
        "`0`",
        "`1` allows webhooks over plain http, and to addresses of this machine and its networks.",
    ),
    "IMAGE_GEN_JOBS_MAX_MB": (
        "`1000`",
        "Megabytes that jobs and their pictures may take, with the pictures of those that wait and those that are kept "
        "for `response_format: url`. Further ones get 507.",
    ),
    "IMAGE_GEN_PICTURE_URL_SECONDS": (
        "`0`",
        "Seconds that a picture is kept under an address, for `response_format: url`. `0`: such requests are refused.",
    ),
    "IMAGE_GEN_USD_PER_HOUR": (
        "",
        "What the machine costs, in USD an hour: `/metrics` and the page then say what 1,000 pictures cost.",
    ),
    "IMAGE_GEN_MAX_IMAGES": ("`10`", "Most pictures of one request, its `n`."),
    "HF_HOME": (
        "`~/.cache/huggingface`; `/data/huggingface` in the container",
        "Hugging Face's home directory: the cache, the token and the manifests of resolved models.",
    ),
    "HF_HUB_CACHE": ("`$HF_HOME/hub`", "Directory of the model cache."),
    "HUGGINGFACE_HUB_CACHE": ("", "Older name of `HF_HUB_CACHE`, read where that is not set."),
    "TRANSFORMERS_CACHE": (
        "`/data/huggingface/hub` in the container",
        "Read where neither of the two above is set. Current Hugging Face libraries do not read it.",
    ),
    "IMAGE_GEN_HOST_CACHE": (
        "",
        "A Hugging Face cache, or a `HF_HOME`, that is only read: after the volume, before a download. See "
        "[a cache of the host](../guides/cache.md#a-cache-of-the-host).",
    ),
    "IMAGE_GEN_INSTANCE_STORE": (
        "",
        "A directory on a host's own disk for a copy of the served model, which a start loads where it is complete. "
        "See [a copy on the instance store](../concepts/cache.md#a-copy-on-the-instance-store).",
    ),
    "SSL_CERT_FILE": ("", "PEM file with certificate authorities to trust, beside those of the system."),
    "SSL_CERT_DIR": ("", "Directories of such files, with the names that `openssl rehash` gives them."),
    "REQUESTS_CA_BUNDLE": ("", "The same, read where `SSL_CERT_FILE` is not set."),
    "CURL_CA_BUNDLE": ("", "The same, read where neither is set."),
    "IMAGE_GEN_MANIFESTS": ("the manifests in the image", "Directory of the bundled manifests."),
    "IMAGE_GEN_BAKED_DIR": ("`/opt/models`", "Directory of the models that are baked into the image."),
    "HF_TOKEN": ("", "Token for gated and private models."),
    "HF_TOKEN_PATH": ("`$HF_HOME/token`", "File with that token."),
    "HUGGING_FACE_HUB_TOKEN": ("", "Older name of `HF_TOKEN`, read where that is not set."),
    "HF_HUB_OFFLINE": ("`0`", "`1`: nothing is downloaded; what is missing is an error."),
    "IMAGE_GEN_MIRROR": ("", "Directory or bucket of models, read before the Hub."),
    "HF_HUB_DOWNLOAD_TIMEOUT": ("`10`", "Seconds without a byte after which a connection counts as stalled."),
    "AWS_ACCESS_KEY_ID": ("", "Credentials for `s3://`. Without them the role of the container or machine is used."),
    "AWS_SECRET_ACCESS_KEY": ("", "The secret of that key."),
    "AWS_SESSION_TOKEN": ("", "The session of temporary credentials."),
    "AWS_REGION": ("", "Region of the bucket."),
    "AWS_DEFAULT_REGION": ("", "The same, where `AWS_REGION` is not set."),
    "AWS_ENDPOINT_URL": ("", "Address of another service with S3's API."),
    "AWS_ENDPOINT_URL_S3": ("", "The same, for S3 alone."),
    "AWS_ROLE_ARN": ("", "Role to assume with a web identity."),
    "AWS_ROLE_SESSION_NAME": ("", "Name of that role's session."),
    "AWS_WEB_IDENTITY_TOKEN_FILE": ("", "Token of that web identity."),
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ("", "Where ECS offers the task's credentials."),
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": ("", "Where another agent offers credentials."),
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": ("", "Token for that address."),
    "AWS_SHARED_CREDENTIALS_FILE": ("", "File with credentials, in its profile `default`; read again as they change."),
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": ("", "`true`: the bucket is part of the host name."),
}

# The same of a fleet, beside those above.
FLEET_ENVIRONMENT: Final[dict[str, tuple[str, str]]] = {
    "IMAGE_GEN_QUEUE_URL": ("", "Worker and gateway: the URL of the SQS queue that jobs are sent to."),
    "IMAGE_GEN_DEAD_LETTER_QUEUE_URL": (
        "",
        "Worker: the queue that a job which can't be made is moved to, with its reason. Empty: it is deleted.",
    ),
    "IMAGE_GEN_JOB_STORE": (
        "",
        "Worker and gateway: where jobs, uploads, pictures and results are, `s3://bucket/prefix`.",
    ),
    "IMAGE_GEN_EMULATED": (
        "`0`",
        "`1`: queues and bucket are those of an emulator, and are made where they are missing.",
    ),
    "IMAGE_GEN_AUTO_SCALING_GROUP": (
        "",
        "Gateway: the Auto Scaling group whose desired count it sets from 0 to 1 when there is a job and no worker. "
        "Worker: the group that its host is in.",
    ),
    "IMAGE_GEN_INSTANCE_ID": (
        "",
        "Worker: its host in that group, [protected from scale-in](../guides/fleet.md#protection-from-scale-in) while "
        "there are jobs. Without both it protects none. Hosts on AWS set both.",
    ),
    "IMAGE_GEN_MIN_WORKERS": (
        "`0`",
        "Gateway: how many workers have to be ready before `/readyz` says for the first time that the gateway is.",
    ),
    "AWS_ENDPOINT_URL_SQS": ("", "Address of another service with SQS's API."),
}

# Read by the libraries, not by the service's own settings.
OTHER_ENVIRONMENT: Final[dict[str, str]] = {
    "HTTPS_PROXY": "Proxy for downloads from https addresses.",
    "HTTP_PROXY": "The same, for http addresses.",
    "ALL_PROXY": "Proxy for both, where the variable of its own is not set.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Collector of [traces](../guides/monitoring.md#traces), by HTTP: "
    "`http://collector:4318`. Empty: no traces.",
    "OTEL_EXPORTER_OTLP_HEADERS": "Headers for the collector, such as `authorization=Bearer%20<token>`.",
    "OTEL_SERVICE_NAME": "Name of the service in traces; `image-gen` by default.",
    "OTEL_RESOURCE_ATTRIBUTES": "Further attributes of the service in traces: `name=value`, with commas between them.",
    "OTEL_TRACES_SAMPLER": "Which requests are traced; all by default. `parentbased_traceidratio`: a part of them.",
    "OTEL_TRACES_SAMPLER_ARG": "That part: `0.1`.",
    "NO_PROXY": "Hosts that are reached without the proxy; separated by commas.",
}

READYZ: Final[dict[str, str]] = {
    "phase": "One of the phases below.",
    "bytes_done": "Bytes of the model that are on disk.",
    "bytes_total": "Bytes of the model; 0 until they are known.",
    "eta_seconds": "Expected seconds to the end of the download, or null.",
    "error": "`{code, message, retryable}` or null. `retryable`: the service tries again by itself.",
    "model": "The model's id.",
    "revision": "Its commit, or null until it is known.",
    "source": "Where the files came from: `directory`, `baked`, `volume`, `download`, `host` (a cache of the host) or "
    "`instance-store` (a copy of the volume's); null until it is known.",
    "device": "The device that the model is loaded on, or null.",
    "file": "The file that is being downloaded, or null.",
    "bytes_per_second": "The download's rate.",
    "phases": "Seconds of each phase of this start so far.",
    "started_at": "When this start began, in seconds since 1970. A new one begins when a ready service loses its "
    "engine.",
    "timeline": "The phases of this start in their order: `[{phase, start_seconds, seconds, error_code}]`, from "
    "`started_at`. `importing` is the worker's import of its libraries, beside the others; `failed` has the error's "
    "code. The latest 40.",
    "version": "The service's version.",
    "retries_on_sighup": "Always true: SIGHUP makes a failed service retry, and does not end it.",
    "usage": "`{pictures, busy_seconds, started_at, usd_per_hour, usd_per_1000_images}` since the process began: "
    "how many pictures, the seconds in which at least one was being made, the price of `IMAGE_GEN_USD_PER_HOUR`, and "
    "what 1,000 pictures cost, `{busy, all}`: by those seconds and by the whole uptime. Both are null without a price, "
    "the cost also before the first picture.",
}

# Status, code in the body, meaning.
STATUSES: Final[list[tuple[int, str, str]]] = [
    (200, "", "The pictures, the model, the metrics or the page."),
    (
        400,
        "invalid_value, missing_required_parameter, unknown_parameter, invalid_json, invalid_form, invalid_http",
        "The request is wrong. `param` names the field.",
    ),
    (401, "invalid_api_key", "The service has API keys, and the request does not send one of them."),
    (
        403,
        "cross_origin, permission_denied",
        "A browser sent the form from a page of another site, or the key has not the permission that the path needs.",
    ),
    (
        404,
        "model_not_found, model_not_cached, job_not_found, operation_not_found, picture_not_found, not_found",
        "Another model than the one served, or than those cached; a job, an operation or a picture that is not kept; "
        "or a path that does not exist.",
    ),
    (405, "method_not_allowed", "The path has no such method."),
    (
        408,
        "request_timeout",
        "The headers did not arrive within 30 s, the body within a minute, or a form within five and at 16 kB/s.",
    ),
    (
        409,
        "job_has_ended, operation_has_ended, operation_not_cancellable, cache_busy, model_in_use",
        "The job or operation can't be cancelled, another operation on the cache runs, or a service uses the model.",
    ),
    (413, "body_too_large", "The body is larger than 64 KiB, a form larger than 50 MiB."),
    (
        415,
        "unsupported_media_type",
        "The body was not sent as `application/json`, or for an edit or a variation as `multipart/form-data`.",
    ),
    (421, "host_not_allowed", "The request's `Host` is none of `IMAGE_GEN_ALLOWED_HOSTS`."),
    (422, "idempotency_key_reused", "The idempotency key was used for another request."),
    (
        429,
        "queue_full, jobs_full, rate_limit_exceeded",
        "Too many requests or jobs wait, or the API key has reached its limit. Retry after `Retry-After` seconds.",
    ),
    (499, "", "The client closed the connection. The picture was cancelled; only the log shows this status."),
    (
        500,
        "internal_error, out_of_memory, engine_error, picture_invalid",
        "The picture failed. The service keeps running; it restarts a worker that only fails.",
    ),
    (
        503,
        "not_ready, stopping, engine_died, gpu_fault, cancelled, jobs_unavailable, no_worker, cache_error",
        "No picture can be made now, or the cache can't be read. Retry after `Retry-After` seconds.",
    ),
    (504, "timeout", "The picture took longer than `IMAGE_GEN_REQUEST_TIMEOUT`, and was cancelled."),
    (507, "jobs_storage_full", "No room for another job, or for another picture with an address."),
]

# Code: (what happened, what to do).
ERRORS: Final[dict[str, tuple[str, str]]] = {
    "BACKUP_FAILED": ("The backup cannot be written.", "Free disk space, or choose another place."),
    "BACKUP_INVALID": ("The file is not a complete tar archive, or holds no models.", "Use another backup."),
    "BACKUP_UNSAFE": (
        "A member of the archive would be written outside the cache.",
        "Use a backup made by image-gen or tar.",
    ),
    "CACHE_BUSY": ("Another process downloads or restores.", "Wait until it has finished."),
    "CACHE_CHANGED": ("The cache was changed by somebody else meanwhile.", "Run the command again."),
    "CACHE_ERROR": ("The file system reports an error.", "`imagegen doctor`"),
    "CACHE_NOT_WRITABLE": (
        "The user 10001 may not write to the cache.",
        "Change the volume's owner; `imagegen doctor` prints the command.",
    ),
    "CACHE_READ_ONLY": (
        "The volume is mounted read-only, and the model is not complete.",
        "Mount it writable, or prefetch the model.",
    ),
    "CANCELLED": ("The work was interrupted. What was downloaded is kept.", "Start again; the download resumes."),
    "CERTIFICATE_UNTRUSTED": (
        "The certificate of the Hub, of a mirror or of a proxy is not trusted, or the server has none.",
        "Set `SSL_CERT_FILE` (`imagegen up --config caFile=<file>`); the message says what is wrong with it.",
    ),
    "CLIENT_GONE": ("The client closed the connection before its picture was done.", "Nothing to do."),
    "CORRUPT_BACKUP": ("A file in the backup does not have its hash.", "Use another backup. The cache is unchanged."),
    "CORRUPT_CACHE": (
        "A cached file is damaged, and the Hub cannot be asked for another.",
        "`imagegen cache verify`, then `imagegen cache prefetch` with a connection",
    ),
    "CORRUPT_DOWNLOAD": (
        "The source sent a file with another size or hash than the manifest's.",
        "Check the mirror or `HF_ENDPOINT`; the file was not kept.",
    ),
    "DEMO_FAILED": ("The demo model could not be made.", "Read the reason in the message; `imagegen logs`"),
    "DISK_FULL": (
        "There is not enough disk space, no free inode, or the user's quota is used up.",
        "`imagegen cache gc --keep-free 20GB`, or a larger volume",
    ),
    "ENGINE_DIED": (
        "The worker process ended. It is started again; after six ends in a row, only every ten minutes to an hour.",
        "`imagegen logs`, if it happens again",
    ),
    "ENGINE_ERROR": ("diffusers or torch raised an error.", "`imagegen logs`"),
    "FILE_NOT_FOUND": (
        "The source does not have a file that the manifest names.",
        "Check the revision, the mirror or the path.",
    ),
    "GATED_MODEL": (
        "The model's terms must be accepted first.",
        "Accept them on the model's page, and set `HF_TOKEN`.",
    ),
    "GPU_FAULT": (
        "The GPU reported a fault, after which every call of the worker fails. The worker is started again, as after "
        "`ENGINE_DIED`.",
        "If it returns: `nvidia-smi -q` on the host; restart the host.",
    ),
    "GPU_UNUSABLE": (
        "The GPU is there, and cannot be used with this driver or image.",
        "The message names the driver or image that fits.",
    ),
    "HUB_ERROR": ("The Hub answers with an error.", "Try again later, or set `HF_ENDPOINT` to a mirror."),
    "HUB_SILENT": (
        "The Hub does not answer, or stopped sending.",
        "Check the network. The download resumes by itself.",
    ),
    "HUB_UNREACHABLE": ("The Hub cannot be reached.", "Check the network, a proxy, or `HF_ENDPOINT`."),
    "INTERNAL_ERROR": ("A part of the service failed unexpectedly.", "`imagegen logs`; `imagegen up`"),
    "JOBS_FULL": ("`IMAGE_GEN_JOBS_LIMIT` jobs wait.", "Retry after `Retry-After` seconds."),
    "JOBS_STORAGE_FULL": (
        "The jobs and pictures that are kept take all of `IMAGE_GEN_JOBS_MAX_MB`, or the disk is full.",
        "Delete jobs that are done, wait until they expire, or raise the limit.",
    ),
    "JOBS_UNAVAILABLE": (
        "The file of the jobs can't be used; the message says why. Another service on the volume may have it. Of a "
        "gateway: the queue or the job store fails; its log says why.",
        "Correct what the message names. It is tried again every 15 s.",
    ),
    "JOB_NOT_MADE": ("The service ended three times during this job.", "Send a smaller request."),
    "MANIFEST_INVALID": ("A manifest is not valid.", "The message names the field."),
    "MANIFEST_NOT_FOUND": ("There is no manifest of the model.", "Make one; see [other models](../guides/models.md)."),
    "MODEL_DIR_INVALID": (
        "`MODEL_DIR` is neither a diffusers pipeline nor a checkpoint that is served.",
        "Set it to a directory with a `model_index.json` or to a `.safetensors` checkpoint, or leave it empty.",
    ),
    "MODEL_ID_INVALID": ("`MODEL_ID` is not of the form `<organisation>/<name>`.", "Correct it."),
    "MODEL_IN_USE": ("A service uses the model.", "`imagegen down` first, or `--force`"),
    "MODEL_NOT_CACHED": ("The cache does not hold the model.", "`imagegen cache prefetch`"),
    "MODEL_NOT_FOUND": ("The Hub has no such model, or it is private.", "Check the id, or set `HF_TOKEN`."),
    "NOTHING_TO_BACK_UP": ("No model in the cache is complete.", "`imagegen cache prefetch`"),
    "NOT_A_PIPELINE": ("The repository is not a text-to-image pipeline of diffusers.", "Choose another model."),
    "NOT_READY": ("The model is not ready.", "Wait for `/readyz`."),
    "NO_GPU": (
        "`IMAGE_GEN_DEVICE` asks for a GPU that is not there.",
        "Set it to `auto`, or give the container a GPU.",
    ),
    "OFFLINE": ("`HF_HUB_OFFLINE` is set, and the model is not complete.", "Unset it once, or restore a backup."),
    "OUT_OF_MEMORY": (
        "The memory of the GPU or machine is too small for the model or picture.",
        "A smaller picture, or a larger machine.",
    ),
    "PICTURE_INVALID": (
        "The picture has values that are not numbers (NaN), or one value in every pixel.",
        "The message names what fits: `VAE_ID=madebyollin/sdxl-vae-fp16-fix`, `IMAGE_GEN_DTYPE=float32`, or verified "
        "files.",
    ),
    "PROXY_FAILED": (
        "The proxy refuses the connection, cannot be reached, or requires a password.",
        "The message names the proxy, its variable and the fix.",
    ),
    "NO_WORKER": (
        "No worker of the fleet runs.",
        "Send the request to `POST /v1/jobs`, or try again when one runs.",
    ),
    "QUEUE_UNAVAILABLE": (
        "The queue of the fleet can't be used.",
        "Check what the message names: its URL, the network or the permissions.",
    ),
    "QUEUE_FULL": ("Too many requests wait.", "Retry after `Retry-After` seconds."),
    "RATE_LIMITED": ("The Hub limits requests.", "Wait a few minutes, or set `HF_TOKEN`."),
    "REVISION_NOT_FOUND": ("The model has no such revision.", "Correct `MODEL_REVISION`, or leave it empty."),
    "S3_CLOCK": ("The machine's clock is wrong, so S3 refuses the request.", "Set the clock."),
    "S3_DENIED": ("The credentials do not allow the request.", "Grant the permission that the message names."),
    "S3_ERROR": ("S3 answers with another error.", "Try again later."),
    "S3_EXPIRED": ("The AWS credentials have expired.", "`aws sso login`, or new credentials."),
    "S3_NOT_FOUND": ("There is no such bucket.", "Check its name and `AWS_REGION`."),
    "S3_NO_CREDENTIALS": (
        "There are no AWS credentials.",
        "Set `AWS_ACCESS_KEY_ID` and its secret, or give the machine a role.",
    ),
    "S3_REGION": ("The bucket is in another region.", "Set `AWS_REGION` to the one that the message names."),
    "S3_SILENT": ("S3 does not answer, or stopped sending.", "Check the network. The download resumes by itself."),
    "S3_UNREACHABLE": ("S3 cannot be reached.", "Check the network and the endpoint."),
    "SETTING_INVALID": (
        "An environment variable has a value that is not legal.",
        "The message names it and the legal values.",
    ),
    "STOPPING": ("The service is stopping.", "Retry after it has started again."),
    "TIMEOUT": (
        "The picture took longer than `IMAGE_GEN_REQUEST_TIMEOUT`.",
        "Fewer steps, a smaller size or a smaller `n`.",
    ),
    "UNAUTHORIZED": (
        "The Hub does not accept the token, or requires one.",
        "Make a token that can read the model, and set `HF_TOKEN`.",
    ),
    "UNSAFE_MODEL": ("The model exists only as pickles, or brings its own code.", "Choose another model."),
    "USAGE": ("The arguments of the command are wrong.", "The message says which."),
    "CONTENT_POLICY_VIOLATION": (
        "The safety checker withheld the picture.",
        "Another prompt or seed; `IMAGE_GEN_SAFETY_CHECKER` says which checker.",
    ),
    "SAFETY_CHECKER_INVALID": (
        "`IMAGE_GEN_SAFETY_CHECKER` names no safety checker with safetensors.",
        "Name another, or leave it empty.",
    ),
    "LORA_INVALID": (
        "A LoRA of `IMAGE_GEN_LORAS` does not fit the model, or is no file of weights.",
        "The message names it: take it out, correct its source, or serve the model that it was made for.",
    ),
    "VAE_INVALID": ("`VAE_ID` is not a VAE with a manifest.", "Choose one that has a manifest, or leave it empty."),
    "ZSTD_MISSING": ("The Python package `zstandard` is missing.", "Use the image, or another compression."),
}
