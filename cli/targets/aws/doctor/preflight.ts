import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import type { Access } from "../client/client-config.ts";
import type { Host } from "../client/ec2-models.ts";
import { wishesOf } from "../stack/host-requirements.ts";
import { parseOutputs, readOutputs } from "../stack/outputs.ts";
import { connect, findHost, readRecord } from "../stack/stack.ts";
import { judgeAws } from "./checks.ts";
import { type AwsFacts, gatherAwsFacts } from "./inspect.ts";

/** The facts of a stack and its account, for doctor and before `up`. */
export async function lookAtAws(context: Context, settings: AwsSettings, access: Access): Promise<AwsFacts> {
  const { files, paths } = context;
  const raw = (await readOutputs(context).catch(() => null)) ?? {};
  const stack = await connect(files.name, access, parseOutputs(files.name, raw));
  const { volumeId, availabilityZone } = stack.outputs;
  const { readManifest } = await import("../../../../infra/io/manifests.ts");
  const manifest = readManifest(settings.modelId, paths.manifests);
  const wishes = wishesOf(settings, { stack: files.name, manifest, zone: availabilityZone });
  return gatherAwsFacts(context, access, wishes, stack.ec2, {
    host: () => findHost(stack),
    volume: async () => (volumeId === null ? undefined : stack.ec2.volume(volumeId)),
    record: () => readRecord(stack),
  });
}

/**
 * Looks before `up` at what AWS would refuse after minutes. Warnings are told; a failure ends it with what mends it.
 * Returns what the run can use: the vCPUs of the types, and the host that is there.
 */
export async function preflight(
  context: Context,
  settings: AwsSettings,
  access: Access,
): Promise<{ vcpus: Readonly<Record<string, number>>; host: Host | undefined }> {
  context.progress.live(`looking at the account and ${access.region}`);
  const facts = await lookAtAws(context, settings, access);
  context.progress.settle();
  // What the running service says is doctor's affair: an `up` may well be what mends it.
  const findings = judgeAws(facts).filter(({ about }) => !["service", "volume", "tunnel"].includes(about));
  const line = (level: string) =>
    findings
      .filter((finding) => finding.level === level)
      .map(({ about, text, mend }) => `${about}: ${text}${mend ? ` Fix: ${mend}` : ""}`);
  for (const text of [...line("warn"), ...line("unknown")]) context.progress.line(text);
  const failures = line("fail");
  if (failures.length > 0) throw new CliError(failures.join("\n"), EXIT.machine);
  const vcpus = facts.types.known
    ? Object.fromEntries(facts.types.value.map(({ type, vcpus: count }) => [type, count]))
    : {};
  return { vcpus, host: facts.host.known ? facts.host.value : undefined };
}
