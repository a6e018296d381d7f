/**
 * `npm run bench:room`: what a build of the image leaves on Docker's disk, by Docker's own figures, against the figures that
 * `imagegen up`, `doctor` and `plan` count with. In: nothing; an image without a model has been built. Out: a table, and
 * exit code 1 where a figure is more than a tenth off. Must not: build, or remove anything.
 */

import { cpus, totalmem } from "node:os";
import { execa } from "execa";
import { cachedBuild, dockerUsage } from "../cli/toolchain/docker-usage.ts";
import { SERVICE_NAME } from "../infra/contract.ts";
import { BUILD_BYTES } from "../infra/plan/room.ts";
import { formatBytes } from "../infra/units.ts";

const usage = await dockerUsage();
if (!usage) throw new Error("docker system df -v does not answer");
const images = usage.images.filter(({ name }) => name.startsWith(`${SERVICE_NAME}:`)).map(({ bytes }) => bytes);
const measured = { ...cachedBuild(usage), image: images.length === 0 ? 0 : Math.min(...images) };

console.log(
  `${await dockerEngine()}, ${cpus().length} cores (${cpus()[0]?.model ?? "?"}), ${formatBytes(totalmem())} of memory`,
);
for (const [name, bytes] of Object.entries(measured) as [keyof typeof BUILD_BYTES, number][]) {
  const off = Math.abs(bytes / BUILD_BYTES[name] - 1);
  const result = bytes === 0 ? "not here: npm run test:e2e builds it" : off > 0.1 ? "WRONG" : "right";
  console.log(
    `${name.padEnd(10)} ${formatBytes(bytes).padEnd(9)} counted as ${formatBytes(BUILD_BYTES[name])}  ${result}`,
  );
  if (result !== "right") process.exitCode = 1;
}

/** The engine that keeps the images, and how. */
async function dockerEngine(): Promise<string> {
  const { stdout } = await execa("docker", ["info", "--format", "dockerd {{.ServerVersion}} with {{.Driver}}"]);
  return stdout;
}
