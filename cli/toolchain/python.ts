import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { CliError, EXIT } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import type { Progress } from "../core/progress.ts";
import { installPackages, summariseUvError } from "./python-packages.ts";
import { ensureUv, venvProgram } from "./uv.ts";

/** Python versions that the lock file has wheels for. */
const PYTHON = ">=3.11,<3.14";

/** What the stamp says besides of an environment with torch's CPU build. */
const CPU_BUILD = "cpu";

/** What the packages depend on, beside the lock. */
interface TorchChoice {
  /** An index of CPU builds of torch; null: the lock's torch. */
  readonly torchIndex: string | null;
  readonly hasGpu: boolean;
  /** What the user writes to name such an index. */
  readonly indexHint: string;
}

/**
 * The interpreter of .imagegen/venv with all of image-gen/requirements.lock installed. Packages added by hand stay, and so does
 * the torch that is there, CUDA build or, without a GPU, CPU build: another one is a download.
 */
export async function ensurePython(
  paths: Paths,
  choice: TorchChoice,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const lock = join(paths.imageGen, "requirements.lock");
  const python = venvProgram(paths.venv, "python");
  const stamp = join(paths.venv, "requirements.sha256");
  const wanted = sha256(readFileSync(lock));
  const [had, build] = existsSync(python) && existsSync(stamp) ? readFileSync(stamp, "utf8").split(" ") : [];
  const hasCpu = build === CPU_BUILD;
  if (had === wanted && !(hasCpu && choice.hasGpu)) return python;

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
  const installation = { paths, uv, python, lock, progress, signal };
  const result = await installPackages(installation, { ...choice, replaceCpu: hasCpu });
  if ("failure" in result) {
    const message = `The Python packages could not be installed: ${result.failure}`;
    throw new CliError(
      { message, fix: "a connection to the package index, or UV_INDEX_URL=<your mirror>; then again" },
      EXIT.missingPrerequisite,
    );
  }
  writeFileSync(stamp, result.torch === "cpu" ? `${wanted} ${CPU_BUILD}` : wanted);
  return python;
}

/** Changes whenever the service's code or its packages change. */
export function sourceHash(paths: Paths): string {
  const source = join(paths.imageGen, "src");
  const files = globSync("**/*.{py,html,css,js}", { cwd: source }).sort();
  const hash = createHash("sha256").update(readFileSync(join(paths.imageGen, "requirements.lock")));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(source, file)));
  return hash.digest("hex");
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
