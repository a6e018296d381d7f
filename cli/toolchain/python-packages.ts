import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { planGpus } from "../../infra/plan/gpus.ts";
import { estimateDownload, type PackageSizes } from "../../infra/plan/package-sizes.ts";
import { RATES } from "../../infra/plan/startup.ts";
import { formatBytes, formatSeconds } from "../../infra/units.ts";
import type { Paths } from "../core/paths.ts";
import type { Progress } from "../core/progress.ts";

/** Which torch is installed: the lock's, or the CPU build of the same version from an index. */
export type TorchBuild = "lock" | "cpu";

/** The exit code of `install-packages` for an index that does not have torch. */
const NOT_FROM_INDEX = 3;

/** A `uv` with the interpreter and the lock that it installs into and from. */
interface Installation {
  readonly paths: Paths;
  readonly uv: string;
  readonly python: string;
  readonly lock: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface Choice {
  readonly torchIndex: string | null;
  readonly hasGpu: boolean;
  /** A CPU build is there, and is replaced. */
  readonly replaceCpu: boolean;
  /** What to write for the user to name an index. */
  readonly indexHint: string;
}

/** Installs the packages of the lock and shows how far it is. Returns which torch is there now, or why it failed. */
export async function installPackages(
  installation: Installation,
  { torchIndex, hasGpu, replaceCpu, indexHint }: Choice,
): Promise<{ readonly torch: TorchBuild } | { readonly failure: string }> {
  const { paths, progress } = installation;
  const why = whyNotFromIndex(torchIndex, hasGpu);
  const sizes = readSizes(paths);
  if (torchIndex !== null && why === null) {
    progress.log(describeDownload(sizes, torchIndex, ""));
    const { exitCode, stderr } = await run(installation, torchIndex, []);
    if (exitCode === 0) return { torch: "cpu" };
    const failure = summariseUvError(stderr);
    // A file with other content than its index states is no reason to take another one.
    if (exitCode !== NOT_FROM_INDEX || /hash mismatch/i.test(stderr)) return { failure };
    progress.log(
      `torch's CPU build is not available from the index ${torchIndex} (${failure}): its CUDA build is installed.`,
    );
  } else if (why !== null) progress.log(why);
  const hint = torchIndex === null && !hasGpu && process.platform === "linux" ? indexHint : "";
  progress.log(describeDownload(sizes, null, hint));
  const { exitCode, stderr } = await run(installation, "", replaceCpu ? ["--reinstall-package", "torch"] : []);
  return exitCode === 0 ? { torch: "lock" } : { failure: summariseUvError(stderr) };
}

/** Why an index that config names is not used; null where it is, or where there is none. */
export function whyNotFromIndex(
  torchIndex: string | null,
  hasGpu: boolean,
  platform: NodeJS.Platform = process.platform,
): string | null {
  if (torchIndex === null) return null;
  if (hasGpu)
    return "torchIndex is not used: this machine has an NVIDIA GPU, for which torch's CUDA build is installed.";
  return platform === "linux"
    ? null
    : "torchIndex is not used: on this system the package index has no CUDA build of torch.";
}

const describeTime = (bytes: number) =>
  `about ${formatSeconds(estimateDownload(bytes))} at ${RATES.downloadBytesPerSecond / 1e6} MB/s`;

/** What will be downloaded, with the time that it takes; the sizes are those of a machine that has none of it. */
export function describeDownload(sizes: PackageSizes, torchIndex: string | null, hint: string): string {
  const found = sizes.platforms[`${process.platform}-${process.arch}`];
  if (!found) return "Installing the Python packages of image-gen/requirements.lock …";
  const { all, cuda } = found;
  if (torchIndex !== null) {
    const rest = `${formatBytes(all - cuda)} of other Python packages (${describeTime(all - cuda)})`;
    return `Downloading torch's CPU build from the index ${torchIndex}, and ${rest} …`;
  }
  const line = `Downloading ${formatBytes(all)} of Python packages (${describeTime(all)}) …`;
  return hint === ""
    ? line
    : `${line} ${formatBytes(cuda)} of it are torch's CUDA build; without a GPU, ${hint} takes less.`;
}

/** What the image's build downloads, in the same words; the container's system is Linux, whatever this one is. */
export function describeBuildDownload(
  paths: Pick<Paths, "imageGen">,
  { torchIndex, gpu }: Pick<LocalSettings, "torchIndex" | "gpu">,
  hasGpu: boolean,
): string {
  const found = readSizes(paths).platforms[`linux-${process.arch}`];
  if (!found) return "and its Python packages are downloaded";
  const isCpu = torchIndex !== null && planGpus(gpu, hasGpu) === null;
  const bytes = isCpu ? found.all - found.cuda : found.all;
  const torch = isCpu ? `, and torch's CPU build from the index ${torchIndex}` : "";
  return `${formatBytes(bytes)} of Python packages to download (${describeTime(bytes)})${torch}`;
}

function readSizes({ imageGen }: Pick<Paths, "imageGen">): PackageSizes {
  return JSON.parse(readFileSync(join(imageGen, "requirements.sizes.json"), "utf8")) as PackageSizes;
}

async function run({ paths, uv, python, lock, progress, signal }: Installation, index: string, options: string[]) {
  const env = { UV_NO_PROGRESS: "1" };
  const script = join(paths.imageGen, "docker", "install-packages");
  // Without an index the script does the same, and needs a `sh`, which Windows does not have.
  const [file, args] =
    index === ""
      ? [uv, ["pip", "install", "--python", python, "--require-hashes", "--requirements", lock, ...options]]
      : ["sh", [script, uv, python, lock, index, ...options]];
  const child = execa(file, args, { reject: false, cancelSignal: signal, env });
  const downloads = new Downloads();
  createInterface({ input: child.stderr }).on("line", (line) => {
    const shown = downloads.read(line);
    if (shown) progress.update(shown.text, shown.fraction);
  });
  const { exitCode, stderr } = await child;
  signal.throwIfAborted();
  progress.stop();
  return { exitCode, stderr };
}

/** Follows the lines that uv writes without a terminal: one when a big download begins, one when it is done. */
export class Downloads {
  readonly #sizes = new Map<string, number>();
  readonly #done = new Set<string>();

  /** What to show after this line, with the fraction of the bytes that are there; undefined for one that changes nothing. */
  read(line: string): { readonly text: string; readonly fraction?: number } | undefined {
    const begun = /^\s*Downloading (\S+) \(([\d.]+)\s*([KMG]i?B)\)/.exec(line);
    const done = /^\s*Downloaded (\S+)/.exec(line);
    const step = /^\s*(Resolved|Prepared|Installed|Uninstalled) (\d+) packages?/.exec(line);
    if (step) return { text: `Python packages: ${step[1]?.toLowerCase()} ${step[2]}` };
    if (begun) this.#sizes.set(begun[1] ?? "", Number(begun[2]) * (UNITS[begun[3]?.[0] ?? ""] ?? 1));
    else if (done) this.#done.add(done[1] ?? "");
    else return undefined;
    const total = sum(this.#sizes.values());
    const got = sum([...this.#done].map((name) => this.#sizes.get(name) ?? 0));
    const left = [...this.#sizes.keys()].filter((name) => !this.#done.has(name));
    const rest = left.length === 0 ? "" : `; downloading ${left.join(", ")}`;
    const text = `Python packages: ${formatBytes(got)} of ${formatBytes(total)}${rest}`;
    return { text, fraction: total === 0 ? 0 : got / total };
  }
}

const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);

/** What uv says went wrong, and the last cause that it names, in one line. */
export function summariseUvError(output: string): string {
  const lines = output
    .split("\n")
    .map((line) => line.replace(/^[\s│×╰─▶]+/, "").trim())
    .filter(Boolean);
  const found =
    lines.find((line) => /error|failed|not found|no interpreter/i.test(line)) ?? lines[0] ?? "unknown error";
  const cause = lines.findLast((line) => line.startsWith("cause: "))?.slice("cause: ".length);
  const message = found.replace(/^error: /, "").replace(/[.:]$/, "");
  return cause === undefined ? message : `${message}: ${cause.replace(/[.:]$/, "")}`;
}
