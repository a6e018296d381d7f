import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
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
  const run = async (what: string, args: string[]) => {
    const result = await execa(uv, args, { reject: false, cancelSignal: signal, env: { UV_NO_PROGRESS: "1" } });
    signal.throwIfAborted();
    if (result.exitCode !== 0)
      throw new CliError(`${what}: ${summariseUvError(result.stderr)}`, EXIT.missingPrerequisite);
  };
  mkdirSync(paths.home, { recursive: true });
  if (!existsSync(python)) {
    progress.log("Making a Python environment in .imagegen/venv …");
    const venv = ["venv", "--quiet", "--allow-existing", "--python", PYTHON, paths.venv];
    await run(`Python ${PYTHON} is not available`, venv);
  }
  progress.log("Installing the Python packages of image-gen/requirements.lock (some GB the first time) …");
  const install = ["pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock];
  await run("The Python packages could not be installed", install);
  writeFileSync(stamp, wanted);
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
