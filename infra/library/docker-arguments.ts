// Written by `npm run docs`, from the keys and from what Pulumi.yaml says of them.
import type { Argument } from "./argument.ts";

/** What `LocalImageGen` is given besides. */
export interface DockerArguments {
  /**
   * Address of this machine that the port is bound to. One that others reach is accepted only with `apiKey`, or with `allowUnauthenticated`.
   * @default 127.0.0.1
   */
  readonly bindAddress?: Argument<string>;
  /**
   * Permits a `bindAddress` that others reach without `apiKey`. For a service behind a proxy with authentication.
   * @default false
   */
  readonly allowUnauthenticated?: Argument<boolean>;
  /**
   * Name of the container.
   * @default image-game-image-gen
   */
  readonly containerName?: Argument<string>;
  /**
   * Name of the volume with the cache, which is used as it is when it exists; Compose uses the same. Or the absolute path of a folder of this machine, which `containerUser` can write to.
   * @default Picture-Perfect-Challenge_image_data
   */
  readonly volumeName?: Argument<string>;
  /**
   * Absolute path of a model of your own on this machine: a diffusers directory, or a `.safetensors` checkpoint. It is served in place of `modelId`, and never written. Empty: `modelId`.
   * @default none
   * @example /home/me/models/my-photos.safetensors
   */
  readonly modelDir?: Argument<string>;
  /**
   * Absolute path of a Hugging Face cache of this machine (`~/.cache/huggingface` or its `hub`). It is read before anything is downloaded, and never written.
   * @default none
   * @example /home/me/.cache/huggingface
   */
  readonly hostCache?: Argument<string>;
  /**
   * User and group of the service in the container, by number. For folders of this machine that only their owner can read or write.
   * @default 10001:10001
   */
  readonly containerUser?: Argument<string>;
  /**
   * Name of the image. Without a tag, the value of `modelCache` is its tag.
   * @default image-gen
   */
  readonly imageName?: Argument<string>;
  /**
   * Where this machine, without an NVIDIA GPU, gets a CPU build of torch, in place of the CUDA build, of which 3 GB are downloaded: `cpu`, PyTorch's own index as uv knows it, or the address of another package index. Its server vouches for that one package; all others are compared with the lock. With a GPU it is not used.
   * @default none
   * @example cpu
   */
  readonly torchIndex?: Argument<string>;
  /**
   * What happens to the volume when the stack is destroyed: `retain` or `delete`; on AWS also `snapshot`.
   * @default retain
   */
  readonly onDestroy?: Argument<"retain" | "delete">;
  /**
   * How many workers take jobs from a queue, behind a gateway on the port. 0: one service, and no queue.
   * @default 0
   * @example 2
   */
  readonly workers?: Argument<number>;
  /**
   * Image of the emulator of SQS and S3 that a stack with `workers` has its queue and its job store in. It keeps both in memory.
   * @default motoserver/moto:5.2.5
   */
  readonly emulatorImage?: Argument<string>;
  /**
   * Memory limit of the container in MiB. 0: none. Leave room for the model in the page cache, which makes a restart fast.
   * @default 0
   * @example 16384
   */
  readonly memoryMb?: Argument<number>;
}
