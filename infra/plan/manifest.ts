import { DEMO_MODEL } from "../contract.ts";
import { modelPath } from "./service-environment.ts";

/** A model's manifest, as `image-gen/models/<org>--<name>.json` states it: the one source of truth of its files. */
export interface Manifest {
  readonly schema: 1;
  readonly id: string;
  /** Other ids under which the model is asked for. */
  readonly aliases: readonly string[];
  readonly revision: string;
  readonly gated: boolean;
  /** Class of the pipeline in diffusers; absent: a part of one, a VAE say. */
  readonly pipeline?: string | null;
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

/** How much a model weighs with the VAE that takes the place of its own, and whether that is known or assumed. */
export interface ModelSize {
  readonly bytes: number;
  /** Of its largest file, where that is known. */
  readonly largestBytes?: number;
  readonly source: "manifest" | "demo" | "directory" | "assumed";
}

/** The demo model: random weights, a few megabytes. */
const DEMO_BYTES = 16e6;
/** A model without a manifest: as big as an SDXL in float32 with both text encoders, so that no wait is too short. */
const ASSUMED_BYTES = 14e9;

/** A VAE of SD or SDXL, in float32. */
const VAE_BYTES = 335e6;

type SizedModel = Parameters<typeof modelPath>[0] & { readonly modelId: string; readonly vaeId: string | null };

/** How big a model is. A start without a cache has to fetch that much, unless the model is in a directory of the user's. */
export function modelSize({ modelId, vaeId, ...own }: SizedModel, manifest: Manifest | null): ModelSize {
  const vae = vaeId === null ? 0 : VAE_BYTES;
  if (modelPath(own) !== null) return { bytes: ASSUMED_BYTES + vae, source: "directory" };
  if (manifest) {
    const sizes = manifest.files.map(({ bytes }) => bytes);
    return {
      bytes: sizes.reduce((sum, bytes) => sum + bytes, vae),
      largestBytes: Math.max(...sizes),
      source: "manifest",
    };
  }
  if (modelId === DEMO_MODEL) return { bytes: DEMO_BYTES + vae, source: "demo" };
  return { bytes: ASSUMED_BYTES + vae, source: "assumed" };
}

const MIB = 2 ** 20;
/** What making an image takes beside the weights, in half precision, at each pipeline's own size of images. */
const ACTIVATION_MIB: Readonly<Record<string, number>> = {
  StableDiffusionPipeline: 2 * 1024,
  StableDiffusionXLPipeline: 5.5 * 1024,
};
/** A model without a manifest: as much as an SDXL. */
const ASSUMED_GPU_MEMORY_MIB = 12 * 1024;

/** MiB that a GPU must have to serve the model; 0: any GPU will do. */
export function gpuMemoryNeededMib({ bytes, source }: ModelSize, manifest: Manifest | null): number {
  if (source === "demo") return 0;
  if (source === "directory") return ASSUMED_GPU_MEMORY_MIB;
  const activations = ACTIVATION_MIB[manifest?.pipeline ?? ""];
  return activations === undefined ? ASSUMED_GPU_MEMORY_MIB : Math.ceil(bytes / MIB + activations);
}
