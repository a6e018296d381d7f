import { execa } from "execa";
import { CONTAINER_NAME, parameterPrefix } from "../../../../infra/contract.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT, firstLine } from "../../../core/exit.ts";
import { environment } from "../../../stack/automation-stack.ts";
import { findPulumi, pulumiCommand } from "../../../toolchain/pulumi.ts";

/** The outputs that the commands use. */
export type StackOutputs = Readonly<ReturnType<typeof parseOutputs>>;

const TIMEOUT_MS = 60_000;

/** Reads the outputs from Pulumi's state; null when there is no such stack. */
export async function readOutputs({ paths, files }: Context): Promise<Record<string, unknown> | null> {
  const tools = await findPulumi(paths);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  const args = ["stack", "output", "--json", "--stack", files.name, "--non-interactive"];
  const env = await environment(paths);
  const result = await execa(pulumiCommand(tools.root), args, {
    cwd: paths.root,
    env,
    reject: false,
    timeout: TIMEOUT_MS,
  });
  if (result.exitCode === 0) return JSON.parse(result.stdout) as Record<string, unknown>;
  if (/no stack named|not found/i.test(result.stderr)) return null;
  const reason = result.timedOut ? `no answer within ${TIMEOUT_MS / 1000} s` : firstLine(result.stderr);
  const message = `The outputs of the stack ${files.name} can't be read: ${reason}`;
  throw new CliError({ message, fix: commandFor(files.name, "doctor") });
}

/** The outputs, with the program's default names where an `up` did not finish. */
export function parseOutputs(stack: string, raw: Readonly<Record<string, unknown>>) {
  const text = (name: string) => {
    const value = raw[name];
    return typeof value === "string" && value !== "" ? value : null;
  };
  return {
    url: text("url"),
    instanceId: text("instanceId"),
    volumeId: text("volumeId"),
    availabilityZone: text("availabilityZone"),
    parameterPrefix: text("parameterPrefix") ?? parameterPrefix(stack),
    logGroup: text("logGroup") ?? parameterPrefix(stack),
    containerName: text("containerName") ?? CONTAINER_NAME,
  };
}
