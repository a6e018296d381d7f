/** GPUs that the service is given: all, these, or none. */
export type Gpus = "all" | readonly string[] | null;

/** From the key `gpu`; a count is the first so many of the machine. */
export function planGpus(gpu: string, hasGpu: boolean): Gpus {
  if (gpu === "none" || (gpu === "auto" && !hasGpu)) return null;
  if (gpu === "auto" || gpu === "all") return "all";
  const count = /^count=(\d+)$/.exec(gpu)?.[1];
  return count === undefined ? gpu.split(",") : Array.from({ length: Number(count) }, (_, index) => String(index));
}

/** As Docker names them. */
export function dockerGpus(gpus: Gpus): string | null {
  return gpus === null || gpus === "all" ? gpus : `device=${gpus.join(",")}`;
}
