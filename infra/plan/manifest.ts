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
  /** Of its LoRAs, assumed: nobody knows them before they are looked up, so that they are no reason to refuse anything. */
  readonly loraBytes: number;
  readonly source: "manifest" | "demo" | "directory" | "assumed";
}

/** The demo model: random weights, a few megabytes. */
const DEMO_BYTES = 16e6;
/** A model without a manifest: as big as an SDXL in float32 with both text encoders, so that no wait is too short. */
const ASSUMED_BYTES = 14e9;

/** A VAE of SD or SDXL, in float32. */
const VAE_BYTES = 335e6;
/** A LoRA of a high rank for SDXL; most take half of it. */
const LORA_BYTES = 0.8e9;

type SizedModel = Parameters<typeof modelPath>[0] & {
  readonly modelId: string;
  readonly vaeId: string | null;
  readonly loras: string | null;
};

/** The LoRAs of repositories, each as the key says it. The others are paths where the service runs. */
export function hubLoras(loras: string | null): readonly string[] {
  const all = (loras ?? "").split(",").map((each) => each.trim());
  return all.filter((each) => each !== "" && !/^[^=]*= *\//.test(each));
}

/** How big a model is. A start without a cache has to fetch that much, unless the model is in a directory of the user's. */
export function modelSize({ modelId, vaeId, loras, ...own }: SizedModel, manifest: Manifest | null): ModelSize {
  const vae = vaeId === null ? 0 : VAE_BYTES;
  const loraBytes = hubLoras(loras).length * LORA_BYTES;
  if (modelPath(own) !== null) return { bytes: ASSUMED_BYTES + vae, loraBytes, source: "directory" };
  if (manifest) {
    const sizes = manifest.files.map(({ bytes }) => bytes);
    return {
      bytes: sizes.reduce((sum, bytes) => sum + bytes, vae),
      largestBytes: Math.max(...sizes),
      loraBytes,
      source: "manifest",
    };
  }
  if (modelId === DEMO_MODEL) return { bytes: DEMO_BYTES + vae, loraBytes, source: "demo" };
  return { bytes: ASSUMED_BYTES + vae, loraBytes, source: "assumed" };
}

/** What a first start downloads: a model in a directory of the user's is there. */
export const bytesToFetch = ({ bytes, loraBytes, source }: ModelSize): number =>
  (source === "directory" ? 0 : bytes) + loraBytes;

const MIB = 2 ** 20;
/** What making an image takes beside the weights, in half precision, at each pipeline's own size of images. */
const ACTIVATION_MIB: Readonly<Record<string, number>> = {
  StableDiffusionPipeline: 2 * 1024,
  StableDiffusionXLPipeline: 5.5 * 1024,
};
/** A model without a manifest: as much as an SDXL. */
const ASSUMED_GPU_MEMORY_MIB = 12 * 1024;

/** MiB that a GPU must have to serve the model; 0: any GPU will do. */
export function gpuMemoryNeededMib({ bytes, source }: Omit<ModelSize, "loraBytes">, manifest: Manifest | null): number {
  if (source === "demo") return 0;
  if (source === "directory") return ASSUMED_GPU_MEMORY_MIB;
  const activations = ACTIVATION_MIB[manifest?.pipeline ?? ""];
  return activations === undefined ? ASSUMED_GPU_MEMORY_MIB : Math.ceil(bytes / MIB + activations);
}
