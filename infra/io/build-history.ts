import * as pulumi from "@pulumi/pulumi";
import { execa } from "execa";
import { SERVICE_NAME } from "../contract.ts";
import { hookName } from "../hook-name.ts";
import type { RegistryImagePlan } from "../plan/aws/image.ts";

const LINES = 25;

/**
 * The end of a failed build as an error of the failed resource; the build is not retried. The provider reports the failed
 * command alone; its output is in the builder's history, where the last build is the failed one.
 */
export function showBuildHistory(
  { builder }: Pick<RegistryImagePlan, "builder">,
  name: string = SERVICE_NAME,
): pulumi.ErrorHook {
  return new pulumi.ErrorHook(hookName(name, "show-build-history"), async () => {
    await pulumi.log.error(
      `The image could not be built and pushed. The end of BuildKit's log:\n${await lastBuild(builder)}`,
    );
    return false;
  });
}

async function lastBuild(builder: string | null): Promise<string> {
  const chosen = builder === null ? [] : ["--builder", builder];
  const args = ["buildx", "history", "logs", ...chosen, "--progress", "plain"];
  const { exitCode, all } = await execa("docker", args, { reject: false, all: true, timeout: 30_000 });
  if (exitCode !== 0) return `(unavailable; see: docker ${args.join(" ")})`;
  const lines = all.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-LINES).join("\n");
}
