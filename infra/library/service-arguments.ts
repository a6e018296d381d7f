// Written by `npm run docs`, from the keys and from what Pulumi.yaml says of them.
import type { Argument, Variables } from "./argument.ts";

/** What the components are given: the service itself. */
export interface ServiceArguments {
  /**
   * The model to serve, a diffusers model on the Hugging Face Hub, or `<organisation>/<name>/<file>.safetensors`, a checkpoint there; or `demo`, a small model with random weights.
   * @default stabilityai/stable-diffusion-xl-base-1.0
   */
  readonly modelId?: Argument<string>;
  /**
   * Commit, tag or branch of the model. Empty: the manifest's commit, or the commit that `main` had at the first download.
   * @default none
   * @example main
   */
  readonly modelRevision?: Argument<string>;
  /**
   * A VAE with a manifest that replaces the model's own. Empty: the model's own.
   * @default none
   * @example madebyollin/sdxl-vae-fp16-fix
   */
  readonly vaeId?: Argument<string>;
  /**
   * `volume`: downloaded at the first start and kept in a volume. `baked`: downloaded while the image is built, and part of it.
   * @default volume
   */
  readonly modelCache?: Argument<"volume" | "baked">;
  /**
   * Port of the service on this machine; on AWS, the local port of the tunnel.
   * @default 8000
   */
  readonly port?: Argument<number>;
  /**
   * Base image of the service's image, with Python 3.11 or later and `venv`. Use a digest to pin it.
   * @default python:3.12.12-slim-bookworm
   */
  readonly baseImage?: Argument<string>;
  /**
   * Network of the image's build. `host`: where a build reaches the package index only over the machine's own network.
   * @default default
   */
  readonly buildNetwork?: Argument<"default" | "host">;
  /**
   * Longest wait for a ready service, in seconds. 0: computed from the model's size, for a slow connection.
   * @default 0
   * @example 1800
   */
  readonly readyTimeoutSeconds?: Argument<number>;
  /**
   * Key that clients send as `Authorization: Bearer <key>`. Only a secret is accepted. On AWS, use `apiKeySecretArn`.
   * @default none
   */
  readonly apiKey?: Argument<string>;
  /**
   * File with the keys of several clients, `name:key` in each line, or JSON. The container sees its folder. Changes apply at once.
   * @default none
   * @example /srv/image-gen/keys/api-keys
   */
  readonly apiKeysFile?: Argument<string>;
  /**
   * Names under which the service may be asked, with commas between them, such as `images.example.com`; requests with another `Host` are refused. Empty: any name.
   * @default none
   * @example images.example.com
   */
  readonly allowedHosts?: Argument<string>;
  /**
   * Origins whose pages may use the service in a browser, with commas between them, such as `https://app.example.com`; `*`: all. Empty: none but its own page.
   * @default none
   * @example https://app.example.com
   */
  readonly corsOrigins?: Argument<string>;
  /**
   * NVIDIA GPUs of the service. `auto`: all, if this machine has one. Device ids are those of `nvidia-smi`: `0`, `0,2`, `GPU-<uuid>`; `count=2` is the first two.
   * @default auto
   */
  readonly gpu?: Argument<string>;
  /**
   * Number format of the weights. `auto`: `float16` on CUDA, `float32` on the CPU.
   * @default auto
   */
  readonly dtype?: Argument<"auto" | "float16" | "bfloat16" | "float32">;
  /**
   * Compiles the repeated blocks of the model at the first picture. The image then has a compiler, and is 1.2 GB larger.
   * @default false
   */
  readonly compile?: Argument<boolean>;
  /**
   * What makes the engine faster: some of `batches`, `prompt-cache`, `channels-last` and `fused-projections`, with commas between them; `auto`: those that were measured to change no picture beyond rounding; `none`.
   * @default auto
   * @example auto,channels-last
   */
  readonly engineOptions?: Argument<string>;
  /**
   * A safety checker that withholds pictures, such as `CompVis/stable-diffusion-safety-checker`, with `@<commit>` to pin it. Empty: none.
   * @default none
   * @example CompVis/stable-diffusion-safety-checker
   */
  readonly safetyChecker?: Argument<string>;
  /**
   * LoRAs that requests choose by name: `name=org/repository@commit`, with `/file.safetensors` where there are several, or `name=/path` as the service sees it; commas between them. Not with `compile`.
   * @default none
   * @example sketch=org/sketch-lora@0123456789abcdef0123456789abcdef01234567
   */
  readonly loras?: Argument<string>;
  /**
   * How each start verifies the model. Empty: `recorded`, and `size` for a baked model.
   * @default none
   * @example full
   */
  readonly verify?: Argument<"recorded" | "full" | "changed" | "size">;
  /**
   * Requests that may wait. Further ones get 429.
   * @default 8
   */
  readonly queueLimit?: Argument<number>;
  /**
   * Seconds after which a request is cancelled.
   * @default 600
   */
  readonly requestTimeoutSeconds?: Argument<number>;
  /**
   * How the service writes its log: `text`, or `json` with one object a line.
   * @default text
   */
  readonly logFormat?: Argument<"text" | "json">;
  /**
   * Longest side of a picture, in pixels.
   * @default 1536
   */
  readonly maxSize?: Argument<number>;
  /**
   * Most pictures of one request.
   * @default 10
   */
  readonly maxImages?: Argument<number>;
  /**
   * Workers, each with the whole model, that take pictures from one queue, from 1 to 64. `auto`: one for each GPU of the service, one without a GPU.
   * @default auto
   */
  readonly engines?: Argument<string>;
  /**
   * Where jobs are kept: `disk`, in the volume; `memory`, where they end with the service; `none`, no jobs.
   * @default disk
   */
  readonly jobs?: Argument<"disk" | "memory" | "none">;
  /**
   * Seconds that a job and its pictures are kept after its end.
   * @default 86400
   */
  readonly jobsKeepSeconds?: Argument<number>;
  /**
   * Jobs that may wait. Further ones get 429.
   * @default 1000
   */
  readonly jobsLimit?: Argument<number>;
  /**
   * Megabytes that jobs and kept pictures may take. Further ones get 507.
   * @default 1000
   */
  readonly jobsMaxMb?: Argument<number>;
  /**
   * What the machine costs, in USD an hour: metrics, the page and `imagegen status` then say what 1,000 pictures cost. Empty: on AWS, `imagegen status` takes the price of the host's type.
   * @default none
   * @example 0.8048
   */
  readonly usdPerHour?: Argument<string>;
  /**
   * Seconds that a picture is kept under an address, for `response_format: url`. 0: such requests are refused.
   * @default 0
   * @example 3600
   */
  readonly pictureUrlSeconds?: Argument<number>;
  /**
   * Side of the first picture, in pixels. 0: the model's own size on a GPU, at most 256 on the CPU.
   * @default 0
   * @example 512
   */
  readonly warmupSize?: Argument<number>;
  /**
   * Address of a server with the API of the Hugging Face Hub. Empty: huggingface.co. With a user or a password in it, only a secret is accepted; on AWS, use `environmentSecretArns`.
   * @default none
   * @example https://huggingface.co
   */
  readonly hubEndpoint?: Argument<string>;
  /**
   * `s3://bucket/prefix`, or on this machine the absolute path of a folder: a mirror that is read before the Hub.
   * @default none
   * @example s3://my-models/mirror
   */
  readonly modelMirror?: Argument<string>;
  /**
   * Nothing is downloaded; a missing file is an error at once.
   * @default false
   */
  readonly offline?: Argument<boolean>;
  /**
   * Seconds without a byte after which a connection counts as stalled.
   * @default 10
   */
  readonly downloadTimeoutSeconds?: Argument<number>;
  /**
   * The same, for http addresses.
   * @default none
   * @example http://proxy.example:3128
   */
  readonly httpProxy?: Argument<string>;
  /**
   * Proxy for https addresses. With a password in it, only a secret is accepted; on AWS, use `environmentSecretArns`.
   * @default none
   * @example http://proxy.example:3128
   */
  readonly httpsProxy?: Argument<string>;
  /**
   * Hosts that are reached without the proxy; separated by commas.
   * @default none
   * @example .example,10.0.0.0/8
   */
  readonly noProxy?: Argument<string>;
  /**
   * File of this machine with certificate authorities to trust, of a proxy or a mirror. On AWS, put them into `baseImage`.
   * @default none
   * @example /etc/ssl/certs/ca-certificates.crt
   */
  readonly caFile?: Argument<string>;
  /**
   * Other variables of the service: `NAME=value,NAME=value`, or JSON. Those that a key sets are refused. With a secret in it, only a secret is accepted; on AWS, use `environmentSecretArns`.
   * @default none
   * @example IMAGE_GEN_DEVICE=cpu
   */
  readonly environment?: Argument<Variables>;
  /**
   * Hugging Face token for gated and private models. Only a secret is accepted.
   * @default none
   */
  readonly hfToken?: Argument<string>;
}
