import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { imagegenCommand } from "../command-line.ts";
import { SERVICE_NAME } from "../contract.ts";
import type { Fixes } from "../fixes.ts";
import { hookName } from "../hook-name.ts";
import type { HostPlan } from "../plan/container.ts";
import { type ContainerOwner, composeDown, readOwner, withoutComponent } from "../plan/owner.ts";

const run = promisify(execFile);
/** What two services of a machine can't share. */
const OF_ONE = ["containerName", "volumeName", "port"].map((key) => ({ set: key, value: "<another>" }));
const LABELS = ["container", "inspect", "--format", "{{json .Config.Labels}}"];

/** Says in one line why Docker did not make or start the container, where its own words do not tell what to do. */
export function explainContainerError(
  plan: Pick<HostPlan, "containerName" | "port">,
  fixes: Fixes,
  name: string = SERVICE_NAME,
): pulumi.ErrorHook {
  return new pulumi.ErrorHook(hookName(name, "explain-container-error"), async ({ errors }) => {
    const line = await explain(errors.join("\n"), plan, fixes);
    if (line !== null) await pulumi.log.error(line);
    return false;
  });
}

async function explain(
  text: string,
  { containerName, port }: Pick<HostPlan, "containerName" | "port">,
  { set }: Fixes,
) {
  if (/container name \S+ is already in use/.test(text)) {
    const { who, remove } = describeOwner(readOwner(await labelsOf(containerName)), containerName);
    return `The container ${containerName} is there already, made by ${who}. Fix: ${remove}, or for a second service: ${set(...OF_ONE)}`;
  }
  if (/port is already allocated|address already in use/.test(text)) {
    return `Port ${port.external} of ${port.bindAddress} is taken. Fix: ${set({ set: "port", value: String(port.external + 1) })}`;
  }
  if (/no such image/i.test(text)) return "The image was removed since the last update. Fix: pulumi up --refresh";
  return null;
}

function describeOwner(owner: ContainerOwner | null, containerName: string): { who: string; remove: string } {
  if (owner === null) return { who: "another program", remove: `docker rm --force ${containerName}` };
  if (owner.kind === "compose")
    return { who: `Docker Compose (project ${owner.project})`, remove: composeDown(owner.project) };
  if (owner.kind === "component")
    return { who: `the component ${owner.component} of ${owner.checkout}`, remove: withoutComponent(owner) };
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
