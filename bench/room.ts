/**
 * `npm run bench:room`: what a build of the image leaves on Docker's disk, by Docker's own figures, against the figures that
 * `imagegen up`, `doctor` and `plan` count with, and what each Python package of the image weighs. In: nothing, or an image's name; an
 * image without a model has been built. Out: tables, and exit code 1 where a figure is more than a tenth off. Must not: build, or
 * remove anything.
 */

import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { cachedBuild, dockerUsage } from "../cli/toolchain/docker-usage.ts";
import { SERVICE_NAME } from "../infra/contract.ts";
import { CUDA_PACKAGES } from "../infra/plan/package-sizes.ts";
import { BUILD_BYTES, CUDA_BYTES } from "../infra/plan/room.ts";
import { formatBytes } from "../infra/units.ts";
import { barsFactor, ROOM_OFF } from "./bars.ts";

const { values, positionals } = parseArgs({ options: { bars: { type: "string" } }, allowPositionals: true });
const factor = barsFactor(values.bars);
const usage = await dockerUsage();
if (!usage) throw new Error("docker system df -v does not answer");
const [named] = positionals;
const images = usage.images.filter(({ name }) => name.startsWith(`${SERVICE_NAME}:`));
const smallest = named ? await inspect(named) : images.sort((a, b) => a.bytes - b.bytes)[0];
const measured = { ...cachedBuild(usage), image: smallest?.bytes ?? 0 };

console.log(
  `${await dockerEngine()}, ${cpus().length} cores (${cpus()[0]?.model ?? "?"}), ${formatBytes(totalmem())} of memory`,
);
for (const [name, bytes] of Object.entries(measured) as [keyof typeof BUILD_BYTES, number][])
  compare(name, bytes, BUILD_BYTES[name]);
if (smallest) await weighPackages(smallest.name);

function compare(name: string, bytes: number, counted: number): void {
  const off = Math.abs(bytes / counted - 1);
  const result = bytes === 0 ? "not here: npm run test:e2e builds it" : off > ROOM_OFF * factor ? "WRONG" : "right";
  console.log(`${name.padEnd(14)} ${formatBytes(bytes).padEnd(9)} counted as ${formatBytes(counted)}  ${result}`);
  if (result !== "right") process.exitCode = 1;
}

async function inspect(name: string): Promise<{ readonly name: string; readonly bytes: number }> {
  const { stdout } = await execa("docker", ["image", "inspect", "--format", "{{.Size}}", name]);
  return { name, bytes: Number(stdout) };
}

/** By package; what is less than a hundredth of the whole is one line. */
async function weighPackages(image: string): Promise<void> {
  const input = readFileSync(new URL("common/image_packages.py", import.meta.url));
  const { stdout } = await execa(
    "docker",
    ["run", "--rm", "-i", "--network", "none", "--entrypoint", "python", image, "-"],
    { input },
  );
  const packages = Object.entries(JSON.parse(stdout) as Record<string, number>).sort(([, a], [, b]) => b - a);
  const sum = (some: typeof packages) => some.reduce((bytes, [, each]) => bytes + each, 0);
  const total = sum(packages);
  const large = packages.filter(([, bytes]) => bytes > total / 100);
  const cuda = packages.filter(([name]) => CUDA_PACKAGES.test(name) && name !== "torch");
  if (cuda.length > 0) compare("CUDA's of them", sum(cuda), CUDA_BYTES.packages);
  console.log(`\nPython packages of ${image}: ${formatBytes(total)}`);
  for (const [name, bytes] of large) console.log(`${name.padEnd(24)} ${formatBytes(bytes)}`);
  console.log(`${`${packages.length - large.length} others`.padEnd(24)} ${formatBytes(total - sum(large))}`);
}

/** The engine that keeps the images, and how. */
async function dockerEngine(): Promise<string> {
  const { stdout } = await execa("docker", ["info", "--format", "dockerd {{.ServerVersion}} with {{.Driver}}"]);
  return stdout;
}
