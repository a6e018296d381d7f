import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { imagegenCommand } from "../command-line.ts";
import type { HostPlan } from "../plan/container.ts";
import { type ContainerOwner, composeDown, readOwner } from "../plan/owner.ts";

const run = promisify(execFile);
const SECOND =
  "pulumi config set containerName <another> && pulumi config set volumeName <another> && pulumi config set port <another>";
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
    const { who, remove } = describeOwner(readOwner(await labelsOf(containerName)), containerName);
    return `The container ${containerName} is there already, made by ${who}. Fix: ${remove}, or for a second service: ${SECOND}`;
  }
  if (/port is already allocated|address already in use/.test(text)) {
    return `Port ${port.external} of ${port.bindAddress} is taken. Fix: pulumi config set port ${port.external + 1}`;
  }
  if (/no such image/i.test(text)) return "The image was removed since the last update. Fix: pulumi up --refresh";
  return null;
}

function describeOwner(owner: ContainerOwner | null, containerName: string): { who: string; remove: string } {
  if (owner === null) return { who: "another program", remove: `docker rm --force ${containerName}` };
  if (owner.kind === "compose")
    return { who: `Docker Compose (project ${owner.project})`, remove: composeDown(owner.project) };
  const { stack, checkout } = owner;
  return { who: `the stack ${stack} of ${checkout}`, remove: `cd ${checkout} && ${imagegenCommand(stack, "down")}` };
}

async function labelsOf(container: string): Promise<Record<string, string>> {
  try {
    const { stdout } = await run("docker", [...LABELS, container], { timeout: 15_000 });
    return (JSON.parse(stdout) as Record<string, string> | null) ?? {};
  } catch {
    return {};
  }
}
