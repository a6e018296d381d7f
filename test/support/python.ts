import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { ensureUv } from "../../cli/toolchain/uv.ts";
import { paths } from "./paths.ts";

/**
 * The Python of `.imagegen/venv` with the development requirements in it; made or brought up to date when the lock
 * changed. Returns the interpreter's path.
 */
export async function pythonEnvironment(): Promise<string> {
  const lock = join(paths.imageGen, "requirements-dev.lock");
  const venv = join(paths.state, "venv");
  const python = join(venv, "bin/python");
  const stamp = join(venv, "requirements-dev.sha256");
  const wanted = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  const uv = await ensureUv();
  if (!existsSync(python)) await execa(uv, ["venv", "--quiet", "--python", ">=3.11,<3.14", venv], { stdio: "inherit" });
  await execa(uv, ["pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock], {
    stdio: "inherit",
  });
  writeFileSync(stamp, wanted);
  return python;
}
