import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { CliError, EXIT, firstLine, lastLine } from "../core/exit.ts";
import { onPath } from "../core/on-path.ts";
import { type Paths, pathsOf } from "../core/paths.ts";
import { type Progress, progressTo } from "../core/progress.ts";

/** The uv that is installed where the machine has none. */
const UV_VERSION = "0.13.9";
const WINDOWS = process.platform === "win32";

/**
 * The path of a `uv`: of the one on PATH, else of one made in .imagegen/tools with the machine's Python.
 * Throws a CliError where there is neither.
 */
export async function ensureUv(
  paths: Paths = pathsOf(),
  progress: Progress = progressTo(process.stderr),
): Promise<string> {
  const found = onPath("uv");
  if (found) return found;
  const own = venvProgram(paths.tools, "uv");
  if (existsSync(own)) return own;

  progress.log("Installing uv into .imagegen/tools …");
  mkdirSync(paths.home, { recursive: true });
  const python = await findPython();
  const made = await execa(python, ["-m", "venv", paths.tools], { reject: false });
  if (made.exitCode !== 0) {
    const message = `${python} can't make a virtual environment: ${firstLine(made.stderr || made.stdout)}`;
    const fix =
      "install uv (https://docs.astral.sh/uv/), or Python's venv module (Debian: sudo apt install python3-venv)";
    throw new CliError({ message, fix }, EXIT.missingPrerequisite);
  }
  const options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
  const pip = ["-m", "pip", "install", ...options, `uv==${UV_VERSION}`];
  const { exitCode, stderr } = await execa(venvProgram(paths.tools, "python"), pip, { reject: false });
  if (exitCode === 0) return own;
  const message = `pip could not install uv ${UV_VERSION}: ${lastLine(stderr)}`;
  throw new CliError({ message, fix: "install uv (https://docs.astral.sh/uv/), then again" }, EXIT.missingPrerequisite);
}

/** A program of a virtual environment. */
export function venvProgram(venv: string, name: string): string {
  return WINDOWS ? join(venv, "Scripts", `${name}.exe`) : join(venv, "bin", name);
}

async function findPython(): Promise<string> {
  for (const name of ["python3", "python"]) {
    const test = "import sys; raise SystemExit(sys.version_info < (3, 9))";
    if ((await execa(name, ["-c", test], { reject: false })).exitCode === 0) return name;
  }
  const fix = "install uv (https://docs.astral.sh/uv/) or Python 3.11 to 3.13";
  const message = "Without Docker the service needs Python, and there is none on PATH.";
  throw new CliError({ message, fix }, EXIT.missingPrerequisite);
}
