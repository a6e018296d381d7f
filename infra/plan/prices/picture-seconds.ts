/** How long a picture takes on a GPU, one at a time. */
export interface PictureSeconds {
  readonly seconds: number;
  /** Who measured it, on what and when. */
  readonly source: string;
}

/** What the published seconds are of; those of another model, size or number of steps are not known. */
export const PUBLISHED_FOR = {
  modelId: "stabilityai/stable-diffusion-xl-base-1.0",
  name: "SDXL base 1.0",
  picture: "1024x1024 in 30 steps",
} as const;

/** By the GPU's name in `INSTANCE_TYPES`. None was measured on AWS; a GPU is absent where no named source has its seconds. */
export const PUBLISHED_SECONDS: Readonly<Record<string, { readonly seconds: number; readonly on: string }>> = {
  A10G: { seconds: 9.4, on: "an A10, a GPU close to the A10G" },
  H100: { seconds: 2.5, on: "an H100" },
};

/** Where all of them are from. */
export const PUBLISHED_SOURCE =
  "the model card of stabilityai/stable-diffusion-xl-1.0-tensorrt, 2023-10, PyTorch without TensorRT";

/** Null where nothing was published for this model on this GPU. */
export function publishedSeconds(modelId: string, gpu: string | undefined): PictureSeconds | null {
  const found = modelId === PUBLISHED_FOR.modelId ? PUBLISHED_SECONDS[gpu ?? ""] : undefined;
  return found ? { seconds: found.seconds, source: `measured on ${found.on}: ${PUBLISHED_SOURCE}` } : null;
}

/** Why there are none. */
export function withoutSeconds(modelId: string, gpu: string | undefined): string {
  const what = modelId === PUBLISHED_FOR.modelId ? `the ${gpu ?? "GPU"}` : `${modelId}, only for ${PUBLISHED_FOR.name}`;
  return `none were published for ${what}: npm run bench:pictures -- --device cuda`;
}
