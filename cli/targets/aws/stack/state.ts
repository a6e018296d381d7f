import { execa } from "execa";
import { CONTAINER_NAME, parameterPrefix } from "../../../../infra/contract.ts";
import { dataVolumeGeneration } from "../../../../infra/plan/aws/volume.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT, firstLine } from "../../../core/exit.ts";
import { environment } from "../../../stack/automation-stack.ts";
import { findPulumi, pulumiCommand } from "../../../toolchain/pulumi.ts";

/**
 * What Pulumi's state has of a stack. Outputs exist only once the service was ready; the resources are there from the first
 * one that an `up` made, also where it failed later.
 */
export type StackState = Readonly<ReturnType<typeof parseState>>;

/** A data volume in the state. */
interface StateVolume {
  readonly id: string;
  readonly zone: string | null;
  /** Null: an existing volume, which the stack only reads. */
  readonly generation: number | null;
  /** The stack made it blank, not from a snapshot. */
  readonly madeBlank: boolean;
}

interface StateResource {
  readonly urn?: string;
  readonly type?: string;
  readonly id?: string;
  readonly external?: boolean;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
}

/** What `pulumi stack export` prints, as far as it matters here. Secrets in it stay encrypted. */
export interface StateExport {
  readonly deployment?: {
    readonly resources?: readonly StateResource[];
    readonly pending_operations?: readonly { readonly resource?: StateResource }[];
  };
}

const PROVIDER = "pulumi:providers:aws";
const VOLUME = "aws:ebs/volume:Volume";
const INSTANCE = "aws:ec2/instance:Instance";
const SUBNET = "aws:ec2/subnet:Subnet";
/** What launches a host, or gives it the volume. */
const HOST_TYPES = [INSTANCE, "aws:autoscaling/group:Group", "aws:ec2/volumeAttachment:VolumeAttachment"];

const TIMEOUT_MS = 60_000;

/** Reads Pulumi's state; null when there is no such stack. */
export async function readState({ paths, files }: Context): Promise<StateExport | null> {
  const tools = await findPulumi(paths);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  const args = ["stack", "export", "--stack", files.name, "--non-interactive"];
  const env = await environment(paths, files.name);
  const result = await execa(pulumiCommand(tools.root), args, {
    cwd: paths.root,
    env,
    reject: false,
    timeout: TIMEOUT_MS,
  });
  if (result.exitCode === 0) return JSON.parse(result.stdout) as StateExport;
  if (/no stack named|not found/i.test(result.stderr)) return null;
  const reason = result.timedOut ? `no answer within ${TIMEOUT_MS / 1000} s` : firstLine(result.stderr);
  const message = `The state of the stack ${files.name} can't be read: ${reason}`;
  throw new CliError({ message, fix: commandFor(files.name, "doctor") });
}

/** The outputs of the last `up` that succeeded; empty without one. */
export function stackOutputs(raw: StateExport | null): Readonly<Record<string, unknown>> {
  return raw?.deployment?.resources?.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

/** The state, with what the resources tell where there are no outputs, and the program's default names. */
export function parseState(stack: string, raw: StateExport | null) {
  const resources = raw?.deployment?.resources ?? [];
  const pending = (raw?.deployment?.pending_operations ?? []).flatMap(({ resource }) => resource ?? []);
  const outputs = stackOutputs(raw);
  const output = (name: string) => text(outputs[name]);
  const volumes = resources.flatMap(toVolume).sort((a, b) => (b.generation ?? 0) - (a.generation ?? 0));
  const [latest] = volumes;
  return {
    /** Whether there is such a stack in the state that was read. */
    exists: raw !== null,
    /** Where its resources are; null before the first one. */
    region: text(resources.find(({ type }) => type === PROVIDER)?.inputs?.region),
    url: output("url"),
    instanceId: output("instanceId") ?? resources.find(({ type }) => type === INSTANCE)?.id ?? null,
    volumeId: output("volumeId") ?? latest?.id ?? null,
    availabilityZone: output("availabilityZone") ?? latest?.zone ?? null,
    parameterPrefix: output("parameterPrefix") ?? parameterPrefix(stack),
    logGroup: output("logGroup") ?? parameterPrefix(stack),
    containerName: output("containerName") ?? CONTAINER_NAME,
    /** All data volumes, the latest generation first. */
    volumes,
    /** Whether an `up` has made, or may have made, a host or an attachment. */
    hasHost: [...resources, ...pending].some(({ type = "" }) => HOST_TYPES.includes(type)),
    /** Subnets that the stack made, by the names that the program gives them. */
    subnets: resources
      .filter(({ type, external }) => type === SUBNET && external !== true)
      .map(({ urn, inputs }) => ({ name: nameOf(urn), zone: text(inputs?.availabilityZone) })),
  };
}

function toVolume({ type, urn, id, external, inputs, outputs }: StateResource): StateVolume[] {
  if (type !== VOLUME || !id) return [];
  const isOwn = external !== true;
  return [
    {
      id,
      zone: text(outputs?.availabilityZone) ?? text(inputs?.availabilityZone),
      generation: isOwn ? dataVolumeGeneration(nameOf(urn)) : null,
      madeBlank: isOwn && text(inputs?.snapshotId) === null,
    },
  ];
}

/** The name that the program gave the resource. */
const nameOf = (urn = "") => urn.split("::").at(-1) ?? "";

const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
