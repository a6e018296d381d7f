import { execa } from "execa";
import { baseImage } from "./base-image.ts";
import { missingForRegistry } from "./registry/needs.ts";
import { missingForMachines } from "./vm/image.ts";

async function answers(command: string, args: string[]): Promise<boolean> {
  const result = await execa(command, args, { reject: false, timeout: 20_000, stdio: "ignore" });
  return result.exitCode === 0;
}

/** Why a ring cannot run on this machine, in one line, or undefined when it can. */
export async function missingFor(ring: string): Promise<string | undefined> {
  if (ring === "host") return missingForMachines();
  if (ring === "registry") return missingForRegistry();
  if (ring !== "engine" && ring !== "e2e") return undefined;
  if (!(await answers("docker", ["info"]))) return "no Docker engine answers (`docker info` fails).";
  if (ring === "e2e" && !(await answers("docker", ["compose", "version"])))
    return "`docker compose` is missing (test/support/make-compose.sh builds it).";
  if (ring === "engine" && !(await answers("pulumi", ["version"]))) return "`pulumi` is not on PATH.";
  const base = await baseImage();
  return base.reference ? undefined : base.reason;
}
