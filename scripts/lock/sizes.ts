/**
 * `npm run lock-sizes`: writes `image-gen/requirements.sizes.json`, what the packages of `requirements.lock` weigh on each platform.
 * In: the lock, and the package index's own record of each wheel, as uv reads it. Out: the file, and a line for each platform.
 * Never: a size that was typed by hand, or an address.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { pathsOf } from "../../cli/core/paths.ts";
import { ensureUv } from "../../cli/toolchain/uv.ts";
import { formatBytes } from "../../infra/units.ts";
import { sizesOf } from "./wheels.ts";

const paths = pathsOf();
const lock = join(paths.imageGen, "requirements.lock");
const options = ["--universal", "--python-version", "3.11", "--no-deps", "--no-header", "--quiet"];
const { stdout } = await execa(await ensureUv(), ["pip", "compile", lock, "--format", "pylock.toml", ...options]);
const sizes = {
  lock: createHash("sha256").update(readFileSync(lock)).digest("hex"),
  platforms: sizesOf(stdout),
};
writeFileSync(join(paths.imageGen, "requirements.sizes.json"), `${JSON.stringify(sizes, null, 2)}\n`);
for (const [platform, { all, cuda }] of Object.entries(sizes.platforms))
  console.log(`${platform.padEnd(13)} ${formatBytes(all).padEnd(8)} of them CUDA ${formatBytes(cuda)}`);
