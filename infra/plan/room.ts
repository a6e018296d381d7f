import type { ModelCache } from "../config/settings.ts";
import type { ImagePlan } from "./image.ts";
import type { StartupEstimate } from "./startup.ts";

/**
 * What a build leaves on Docker's disk. Measured by `npm run bench:room`: dockerd 20.10 with overlay2, torch 2 with its CUDA
 * libraries, no GPU in the machine. The bench fails where these are no longer true.
 */
export const BUILD_BYTES = {
  /** Downloaded packages, which Docker's build cache keeps for the next build. */
  downloads: 5.73e9,
  /** The packages as the build installed them, kept for the next build as well. */
  packages: 4.5e9,
  /** The image without a model. */
  image: 4.63e9,
} as const;

/**
 * What is left out with a CPU build of torch: CUDA's packages and Triton, as the same bench prints them. torch itself, which is smaller
 * as well, is counted as it is.
 */
export const CUDA_BYTES = { downloads: 4.27e9, packages: 2.89e9, image: 2.89e9 } as const;

/** What the part is called that is downloaded. */
export const DOWNLOADS = "the build's downloads";

/** A model in an image lies there, in the step that made it, and in the build's downloads. */
const BAKED_COPIES = 3;
/** A build of changed code alone. */
const CODE_BYTES = 0.02e9;
/** Logs, pictures, and whatever else the machine does. */
const SPARE_BYTES = 1e9;

/** What is there already. */
export interface RoomFacts {
  /** The image that this stack would run. */
  readonly hasImage: boolean;
  /** Docker's build cache has the downloaded packages; the installed ones. */
  readonly hasDownloads: boolean;
  readonly hasPackages: boolean;
  /** Bytes in the stack's volume. */
  readonly volumeBytes: number;
}

const NOTHING: RoomFacts = { hasImage: false, hasDownloads: false, hasPackages: false, volumeBytes: 0 };

/** Disk space that `up` takes. */
export interface Room {
  readonly parts: readonly { readonly what: string; readonly bytes: number }[];
  /** What a build takes; 0: none is needed. */
  readonly buildBytes: number;
  /** All parts whose size is known, and some to spare. */
  readonly bytes: number;
  /** Of what nobody knows the size of before it is looked up: a model, LoRAs. No reason to refuse. */
  readonly assumedBytes: number;
}

interface Sized {
  readonly modelCache: ModelCache;
  /** Absent: the lock's torch. */
  readonly image?: Pick<ImagePlan, "buildArgs">;
  readonly startupEstimate: Pick<StartupEstimate, "modelBytes" | "modelBytesSource" | "loraBytes">;
}

/** What `up` needs of Docker's disk where `facts` are there; by default, where nothing is. */
export function planRoom({ modelCache, startupEstimate, image }: Sized, facts: RoomFacts = NOTHING): Room {
  const { modelBytes, modelBytesSource, loraBytes } = startupEstimate;
  const baked = modelCache === "baked";
  const own = modelBytesSource === "directory" ? 0 : modelBytes;
  const lackOf = (bytes: number) =>
    baked ? (facts.hasImage ? 0 : bytes * BAKED_COPIES) : Math.max(0, bytes - facts.volumeBytes);
  const missing = lackOf(own);
  const model = { what: baked ? "the model, in the image and twice in the build" : "the model", bytes: missing };
  const assumed = modelBytesSource === "assumed";
  const loras = lackOf(own + loraBytes) - missing;
  return addUp(buildParts(facts, bytesOf(image)), assumed ? [] : [model], loras + (assumed ? missing : 0));
}

/** The same for a service that runs as a process: a Python environment, its packages' downloads, the model. */
export function planProcessRoom(
  { startupEstimate, image }: Pick<Sized, "startupEstimate" | "image">,
  hasEnvironment: boolean,
): Room {
  const { packages, downloads } = bytesOf(image);
  const { modelBytes, modelBytesSource, loraBytes } = startupEstimate;
  const environment = {
    what: "Python packages",
    bytes: hasEnvironment ? 0 : packages + downloads,
  };
  const assumed = modelBytesSource === "assumed";
  const model = { what: "the model", bytes: modelBytesSource === "directory" ? 0 : modelBytes };
  return addUp([environment], assumed ? [] : [model], loraBytes + (assumed ? modelBytes : 0));
}

function bytesOf(image: Sized["image"]): Record<keyof typeof BUILD_BYTES, number> {
  const { downloads, packages, image: whole } = BUILD_BYTES;
  if (image?.buildArgs.TORCH_INDEX === undefined) return BUILD_BYTES;
  const { downloads: less, packages: fewer, image: lighter } = CUDA_BYTES;
  return { downloads: downloads - less, packages: packages - fewer, image: whole - lighter };
}

function buildParts(
  { hasImage, hasDownloads, hasPackages }: RoomFacts,
  { image, packages, downloads }: Record<keyof typeof BUILD_BYTES, number>,
): Room["parts"] {
  if (hasImage) return [];
  if (hasPackages) return [{ what: "the image's code", bytes: CODE_BYTES }];
  return [
    { what: "the image", bytes: image },
    { what: "the build's installed packages", bytes: packages },
    { what: DOWNLOADS, bytes: hasDownloads ? 0 : downloads },
  ];
}

function addUp(build: Room["parts"], model: Room["parts"], assumedBytes: number): Room {
  const total = (parts: Room["parts"]) => parts.reduce((bytes, part) => bytes + part.bytes, 0);
  const parts = [...build, ...model].filter(({ bytes }) => bytes > 0);
  return { parts, buildBytes: total(build), assumedBytes, bytes: total(parts) + SPARE_BYTES };
}
