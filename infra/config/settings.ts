/**
 * Stage 1, config. In: the stack's config, as text. Out: `Settings`, checked, or every problem at once.
 * Never reads anything but config, and never shows a secret.
 */
import type { AwsSettings } from "./aws/settings.ts";

export type ModelCache = "volume" | "baked";

/** What a stack asks for. Plain data: the one secret, the Hugging Face token, travels beside it (see `load.ts`). */
export type Settings = LocalSettings | AwsSettings;

/** What every target is asked. */
export interface CommonSettings {
  /** A model on the hub, or `demo`: random weights, made on the spot. */
  readonly modelId: string;
  /** A commit or branch of the model; null: the manifest's commit, or what `main` was when it was first fetched. */
  readonly modelRevision: string | null;
  /** A VAE on the hub in place of the model's own; null: that one. */
  readonly vaeId: string | null;
  /** `volume`: fetched at the first start and kept. `baked`: fetched while the image is built. */
  readonly modelCache: ModelCache;
  /** Port on this machine; for a service on AWS, the near end of the tunnel. */
  readonly port: number;
  readonly baseImage: string;
  /** Network of the build's RUN steps. */
  readonly buildNetwork: "default" | "host";
  /** Another hub than huggingface.co; null: the default one. */
  readonly hubEndpoint: string | null;
  /** Whether a Hugging Face token is set. */
  readonly hasToken: boolean;
  /** Longest wait for a ready service, in seconds; null: sized by the model. */
  readonly readyTimeoutSeconds: number | null;
}

/** What Docker on this machine is asked. */
export interface LocalSettings extends CommonSettings {
  readonly target: "local";
  /** Address on this machine that the port is bound to. */
  readonly bindAddress: string;
  /** `auto`: all GPUs when this machine has one. */
  readonly gpu: "auto" | "all" | "none";
  readonly containerName: string;
  readonly volumeName: string;
  readonly imageName: string;
  /** What `pulumi destroy` does with the volume. */
  readonly onDestroy: "retain" | "delete";
  /** Memory limit in MiB; null: none. */
  readonly memoryMb: number | null;
}
