import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import type { HostPlan } from "../plan/container.ts";
import { readOwner } from "../plan/owner.ts";

const run = promisify(execFile);
const LABELS = ["container", "inspect", "--format", "{{json .Config.Labels}}"];

/** Says in one line why Docker did not make or start the container, where its own words do not tell what to do. */
export function explainContainerError(plan: Pick<HostPlan, "containerName" | "port">): pulumi.ErrorHook {
  return new pulumi.ErrorHook("explain-container-error", async ({ errors }) => {
    const line = await explain(errors.join("\n"), plan);
    if (line !== null) await pulumi.log.error(line);
    return false;
  });
}

async function explain(text: string, { containerName, port }: Pick<HostPlan, "containerName" | "port">) {
  if (/container name \S+ is already in use/.test(text)) {
    const owner = readOwner(await labelsOf(containerName));
    const other = "for a second service: pulumi config set containerName, volumeName and port to names of its own";
    const fix = owner ? `${owner.remove} there; ${other}` : `docker rm --force ${containerName}; ${other}`;
    return `The container ${containerName} is there already, made by ${owner?.who ?? "another program"}. Fix: ${fix}`;
  }
  if (/port is already allocated|address already in use/.test(text)) {
    return `Port ${port.external} of ${port.bindAddress} is taken. Fix: pulumi config set port ${port.external + 1}`;
  }
  if (/no such image/i.test(text)) return "The image was removed since the last update. Fix: pulumi up --refresh";
  return null;
}

async function labelsOf(container: string): Promise<Record<string, string>> {
  try {
    const { stdout } = await run("docker", [...LABELS, container], { timeout: 15_000 });
    return (JSON.parse(stdout) as Record<string, string> | null) ?? {};
  } catch {
    return {};
  }
}
