/** The environment variables that `imagegen` reads. A test compares the names with those that the code reads. */
export const CLI_ENVIRONMENT: Readonly<Record<string, string>> = {
  HF_TOKEN: "Hugging Face token for gated models. `up` stores it in the stack's config as the secret `hfToken`.",
  HUGGING_FACE_HUB_TOKEN: "An earlier name of `HF_TOKEN`.",
  HF_TOKEN_PATH: "File with that token.",
  HF_HOME:
    "Hugging Face's directory on this machine. A service that runs as a process reads the cache in it before it downloads.",
  HF_HUB_CACHE: "The same, where the cache is elsewhere.",
  HUGGINGFACE_HUB_CACHE: "An earlier name of `HF_HUB_CACHE`.",
  XDG_CACHE_HOME: "Where `huggingface` is Hugging Face's directory, unless `HF_HOME` is set.",
  IMAGE_GEN_HOST_CACHE: "The same for the service alone; in Docker it is the key `hostCache`.",
  MODEL_DIR:
    "A model of your own, a directory or a checkpoint, which `up` serves in place of a model of the Hub; the key `modelDir`.",
  IMAGE_GEN_API_KEY:
    "Key of the service, which `up` stores as the secret `apiKey`. `imagegen picture` sends it where it can't find the service's own.",
  IMAGEGEN_ENVIRONMENT: "Other variables of the service, as JSON; `up` stores them as the key `environment`.",
  IMAGEGEN_DEBUG: "`1` also prints the stack trace of an unexpected error.",
  NO_COLOR: "Turns colours off.",
  NODE_COMPILE_CACHE: "Where Node keeps compiled code. Default: `.imagegen/compile-cache` in the checkout.",
  PULUMI_BACKEND_URL: "Where Pulumi keeps its state. Default: `.imagegen/state` in the checkout.",
  PULUMI_CONFIG_PASSPHRASE: "Passphrase of the state's secrets. Default: one is made in `.imagegen/passphrase`.",
  PULUMI_CONFIG_PASSPHRASE_FILE: "File with that passphrase.",
  DOCKER_HOST: "The Docker engine. Default: the current Docker context.",
  DOCKER_CONTEXT: "Name of the Docker context, for this command.",
  AWS_PROFILE: "AWS profile, as every AWS tool reads it.",
  AWS_CONFIG_FILE: "AWS's config file. Without it, the other ways to credentials too, `plan` requests no prices.",
  AWS_SHARED_CREDENTIALS_FILE: "AWS's credentials file, likewise.",
  AWS_REGION: "Region for commands that find none in the stack's config.",
  AWS_DEFAULT_REGION: "The same, where `AWS_REGION` is not set.",
  HTTPS_PROXY: "Proxy for downloads of tools and packages.",
  HTTP_PROXY: "The same, for plain HTTP.",
  NO_PROXY: "Hosts that are reached without the proxy. This machine always is.",
};

/** Read to find out what kind of terminal or desktop this is: nothing that a user sets for `imagegen`. */
export const SYSTEM_ENVIRONMENT: readonly string[] = [
  "PATH",
  "INIT_CWD",
  "HOME",
  "TERM",
  "TERM_PROGRAM",
  "LC_TERMINAL",
  "KITTY_WINDOW_ID",
  "DISPLAY",
  "WAYLAND_DISPLAY",
  "SSH_CONNECTION",
];
