import { execa } from "execa";
import { baseImage } from "./base-image.ts";
import { missingForAws } from "./fakes/aws-provider/needs.ts";
import { missingForPage } from "./page/chromium.ts";
import { missingForRegistry } from "./registry/needs.ts";
import { missingForMachines } from "./vm/image.ts";

async function answers(command: string, args: string[]): Promise<boolean> {
  const result = await execa(command, args, { reject: false, timeout: 20_000, stdio: "ignore" });
  return result.exitCode === 0;
}

/** Why a suite cannot run on this machine, in one line, or undefined when it can. */
export async function missingFor(suite: string): Promise<string | undefined> {
  if (suite === "host") return missingForMachines();
  if (suite === "registry") return missingForRegistry();
  if (suite === "page") return missingForPage();
  if (suite === "engine-aws") return missingForAws();
  if (suite !== "engine" && suite !== "e2e") return undefined;
  if (!(await answers("docker", ["info"]))) return "no Docker engine answers (`docker info` fails).";
  if (suite === "e2e" && !(await answers("docker", ["compose", "version"])))
    return "`docker compose` is missing (test/support/make-compose.sh builds it).";
  if (suite === "engine" && !(await answers("pulumi", ["version"]))) return "`pulumi` is not on PATH.";
  const base = await baseImage();
  return base.reference ? undefined : base.reason;
}
