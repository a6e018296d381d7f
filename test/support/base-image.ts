import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "./paths.ts";

const TEST_BASE = "imagegen-test-base:bookworm";

/**
 * The base image for builds in tests: `IMAGEGEN_TEST_BASE_IMAGE`, else the Dockerfile's own default if it is here or
 * can be pulled, else a Debian one made on the spot by `make-base-image.sh` (a machine without a registry).
 */
export function baseImage(): Promise<BaseImage> {
  found ??= findOrMake();
  return found;
}

type BaseImage = { reference: string; reason?: undefined } | { reference?: undefined; reason: string };
/** Once, for all suites that run side by side. */
let found: Promise<BaseImage> | undefined;

async function findOrMake(): Promise<BaseImage> {
  const asked = process.env.IMAGEGEN_TEST_BASE_IMAGE;
  if (asked)
    return (await here(asked))
      ? { reference: asked }
      : { reason: `IMAGEGEN_TEST_BASE_IMAGE=${asked} is not on this machine.` };
  if (await here(TEST_BASE)) return { reference: TEST_BASE };
  const standard = /^ARG BASE_IMAGE=(\S+)/m.exec(readFileSync(join(paths.imageGen, "Dockerfile"), "utf8"))?.[1];
  if (standard && ((await here(standard)) || (await pulls(standard)))) return { reference: standard };
  const made = await execa("bash", [paths.baseImageScript, TEST_BASE], { reject: false, stdio: "inherit" });
  if (made.exitCode === 0) return { reference: TEST_BASE };
  return {
    reason: `${standard ?? "the base image"} cannot be pulled, and ${paths.baseImageScript} could not make one.`,
  };
}

async function here(reference: string): Promise<boolean> {
  return (await execa("docker", ["image", "inspect", reference], { reject: false, stdio: "ignore" })).exitCode === 0;
}

async function pulls(reference: string): Promise<boolean> {
  return (
    (await execa("docker", ["pull", "-q", reference], { reject: false, stdio: "ignore", timeout: 180_000 }))
      .exitCode === 0
  );
}
