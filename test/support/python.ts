import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { ensureUv } from "../../cli/toolchain/uv.ts";
import { HEAVY, without } from "./lock.ts";
import { paths } from "./paths.ts";

/** What mypy never opens (pyproject.toml) and what only tests import; the rest is small. */
const NOT_FOR_CHECKS = [
  HEAVY,
  /^(?:aws-|boto|cfn-lint|docker|graphql|moto|mpmath|networkx|openapi|safetensors|sympy|tokenizers)/,
];

/** Made once, for all suites that run side by side. */
let uv: Promise<string> | undefined;
let made: Promise<string> | undefined;

/**
 * The Python of `.imagegen/venv` with the development requirements in it; made or brought up to date when the lock
 * changed. Returns the interpreter's path.
 */
export function pythonEnvironment(): Promise<string> {
  made ??= environment("venv", readLock());
  return made;
}

/** The Python of `.imagegen/checks`: the same lock without torch and all that comes with it. Returns the interpreter's path. */
export function checksEnvironment(): Promise<string> {
  return environment("checks", NOT_FOR_CHECKS.reduce(without, readLock()));
}

/** The Python of `.imagegen/checkov`, with the scanner of Terraform plans alone: a hundred packages that nothing else needs. */
export function checkovEnvironment(): Promise<string> {
  return environment("checkov", readFileSync(join(paths.root, "test/support/checkov/requirements.lock"), "utf8"));
}

/** The Python of `.imagegen/parliament`, with the linter of IAM policies alone. */
export function parliamentEnvironment(): Promise<string> {
  return environment("parliament", readFileSync(join(paths.root, "test/support/parliament/requirements.lock"), "utf8"));
}

const readLock = () => readFileSync(join(paths.imageGen, "requirements-dev.lock"), "utf8");

/** A virtual environment with exactly what the lock names. */
async function environment(name: string, lock: string): Promise<string> {
  const venv = join(paths.state, name);
  const python = join(venv, "bin/python");
  const stamp = join(venv, "requirements-dev.sha256");
  const wanted = createHash("sha256").update(lock).digest("hex");
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  uv ??= ensureUv();
  const tool = await uv;
  if (!existsSync(python))
    await execa(tool, ["venv", "--quiet", "--python", ">=3.11,<3.14", venv], { stdio: "inherit" });
  await execa(tool, ["pip", "install", "--quiet", "--python", python, "--require-hashes", "--no-deps", "-r", "-"], {
    input: lock,
    stdout: "inherit",
    stderr: "inherit",
  });
  writeFileSync(stamp, wanted);
  return python;
}
