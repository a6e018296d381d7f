import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { formatBytes } from "../../infra/units.ts";
import { CliError, EXIT, firstLine } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import type { Progress } from "../core/progress.ts";
import { ensureUv, venvProgram } from "./uv.ts";

/** Python versions that the lock file has wheels for. */
const PYTHON = ">=3.11,<3.14";

/** The interpreter of .imagegen/venv with all of image-gen/requirements.lock installed. Packages added by hand stay. */
export async function ensurePython(paths: Paths, progress: Progress, signal: AbortSignal): Promise<string> {
  const lock = join(paths.imageGen, "requirements.lock");
  const python = venvProgram(paths.venv, "python");
  const stamp = join(paths.venv, "requirements.sha256");
  const wanted = sha256(readFileSync(lock));
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;

  const uv = await ensureUv(paths, progress);
  mkdirSync(paths.home, { recursive: true });
  if (!existsSync(python)) {
    progress.log("Making a Python environment in .imagegen/venv …");
    const venv = ["venv", "--quiet", "--allow-existing", "--python", PYTHON, paths.venv];
    const made = await execa(uv, venv, { reject: false, cancelSignal: signal });
    signal.throwIfAborted();
    if (made.exitCode !== 0) {
      const message = `Python ${PYTHON} is not available: ${summariseUvError(made.stderr)}`;
      throw new CliError({ message, fix: "install Python 3.11, 3.12 or 3.13" }, EXIT.missingPrerequisite);
    }
  }
  progress.log("Installing the Python packages of image-gen/requirements.lock (some GB the first time) …");
  const failure = await installPackages(uv, ["--python", python, "--require-hashes", "-r", lock], progress, signal);
  if (failure) {
    const message = `The Python packages could not be installed: ${failure}`;
    throw new CliError(
      { message, fix: "a connection to the package index, or UV_INDEX_URL=<your mirror>; then again" },
      EXIT.missingPrerequisite,
    );
  }
  writeFileSync(stamp, wanted);
  return python;
}

/** Runs `uv pip install` and shows how far it is. Returns why it failed. */
async function installPackages(
  uv: string,
  args: string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<string | undefined> {
  const env = { UV_NO_PROGRESS: "1" };
  const child = execa(uv, ["pip", "install", ...args], { reject: false, cancelSignal: signal, env });
  const downloads = new Downloads();
  createInterface({ input: child.stderr }).on("line", (line) => {
    const shown = downloads.read(line);
    if (shown) progress.update(shown.text, shown.fraction);
  });
  const result = await child;
  signal.throwIfAborted();
  progress.stop();
  return result.exitCode === 0 ? undefined : summariseUvError(result.stderr);
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

/** Changes whenever the service's code or its packages change. */
export function sourceHash(paths: Paths): string {
  const source = join(paths.imageGen, "src");
  const files = globSync("**/*.{py,html,css,js}", { cwd: source }).sort();
  const hash = createHash("sha256").update(readFileSync(join(paths.imageGen, "requirements.lock")));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(source, file)));
  return hash.digest("hex");
}

function summariseUvError(output: string): string {
  const lines = output
    .split("\n")
    .map((line) => line.replace(/^[\s│×╰─▶]+/, "").trim())
    .filter(Boolean);
  return (
    lines.find((line) => /error|failed|not found|no interpreter/i.test(line))?.replace(/^error: /, "") ??
    firstLine(output)
  );
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
