/**
 * What is known of a stack's account and host before `up` and by doctor. In: the stack's settings, AWS's responses. Out:
 * facts, gathered without changing anything. What AWS denies or does not answer is `unknown`, never a failure.
 */
import { join } from "node:path";
import { execa } from "execa";
import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { vcpuQuota } from "../../../../infra/contract.ts";
import type { HostStatus } from "../../../../infra/readiness/host-status.ts";
import type { Context } from "../../../core/context.ts";
import { openIdentity, openQuotas } from "../client/account.ts";
import type { AwsClientConfig } from "../client/client-config.ts";
import type { Ec2 } from "../client/ec2.ts";
import type { EbsVolume, Host, InstanceTypeSpecs } from "../client/ec2-models.ts";
import { describeAwsError, type Lookup, tryLookup } from "../client/errors.ts";
import { TUNNEL_TOOLS } from "../host/tunnel.ts";
import { type HostRequirements, hostRequirements } from "../stack/host-requirements.ts";
import { type LaunchCandidate, launchCandidates } from "../stack/launch-errors.ts";
import { parseOutputs, readOutputs } from "../stack/outputs.ts";
import { connect, findHost, readHostStatus } from "../stack/stack.ts";
import { cudaOf, type DriverFit, driverFor } from "./drivers.ts";

export interface QuotaFacts {
  readonly name: string;
  readonly code: string;
  readonly market: LaunchCandidate["market"];
  /** vCPUs that the account may run; null: AWS reports no value. */
  readonly limit: Lookup<number | null>;
  readonly used: Lookup<number>;
}

export interface AwsFacts {
  readonly stack: string;
  readonly region: string;
  readonly requirements: HostRequirements;
  readonly candidates: readonly LaunchCandidate[];
  /** When unknown, nothing else could be looked up. */
  readonly caller: Lookup<{ readonly account: string; readonly arn: string }>;
  readonly types: Lookup<readonly InstanceTypeSpecs[]>;
  readonly offerings: Lookup<Readonly<Record<string, readonly string[]>>>;
  readonly quotas: readonly QuotaFacts[];
  readonly host: Lookup<Host | undefined>;
  readonly volume: Lookup<EbsVolume | undefined>;
  readonly hostStatus: Lookup<HostStatus | null>;
  /** CUDA of the image's packages, "13.2"; null: not found in the lock file. */
  readonly cuda: string | null;
  /** Null: the AMI or the CUDA is not in the table. */
  readonly driver: DriverFit | null;
  readonly hasBuildx: boolean;
  readonly missingTunnelTools: readonly string[];
  readonly now: number;
}

export async function inspectAws(context: Context, settings: AwsSettings, client: AwsClientConfig): Promise<AwsFacts> {
  const { paths, files } = context;
  const outputs = parseOutputs(files.name, (await readOutputs(context).catch(() => null)) ?? {});
  const { readManifest } = await import("../../../../infra/io/manifests.ts");
  const manifest = readManifest(settings.modelId, paths.manifests);
  const zone = outputs.availabilityZone;
  const requirements = hostRequirements(settings, { stack: files.name, manifest, zone });
  const candidates = launchCandidates(requirements);
  const types = [...new Set(candidates.map(({ type }) => type))];
  const cuda = cudaOf(join(paths.imageGen, "requirements.lock"));
  const stack = await connect(files.name, client, outputs);
  const { ec2 } = stack;
  const caller = await findCaller(client);
  const look = <T>(run: () => Promise<T>): Promise<Lookup<T>> =>
    caller.known ? tryLookup(run) : Promise.resolve(caller);
  const tools = [["docker", "buildx", "version"], ...Object.keys(TUNNEL_TOOLS).map((tool) => [tool, "--version"])];
  const [typeSpecs, offerings, quotas, host, volume, hostStatus, ...works] = await Promise.all([
    look(() => ec2.types(types)),
    look(() => ec2.offerings(types)),
    caller.known ? inspectQuotas(client, candidates, ec2) : [],
    look(() => findHost(stack)),
    look(async () => (outputs.volumeId === null ? undefined : ec2.volume(outputs.volumeId))),
    look(() => readHostStatus(stack)),
    ...tools.map(runs),
  ]);
  return {
    stack: files.name,
    region: client.region,
    requirements,
    candidates,
    caller,
    types: typeSpecs,
    offerings,
    quotas,
    host,
    volume,
    hostStatus,
    cuda,
    driver: driverFor(requirements.ami, cuda),
    hasBuildx: works[0] === true,
    missingTunnelTools: Object.keys(TUNNEL_TOOLS).filter((_, index) => !works[index + 1]),
    now: Date.now(),
  };
}

async function findCaller(client: AwsClientConfig): Promise<AwsFacts["caller"]> {
  try {
    return { known: true, value: await (await openIdentity(client)).caller() };
  } catch (error) {
    return { known: false, reason: describeAwsError(error) };
  }
}

async function inspectQuotas(
  client: AwsClientConfig,
  candidates: readonly LaunchCandidate[],
  ec2: Ec2,
): Promise<QuotaFacts[]> {
  const quotas = await openQuotas(client);
  const found = new Map<string, QuotaFacts>();
  for (const { type, market } of candidates) {
    const quota = vcpuQuota(type, market);
    if (!quota || found.has(quota.code)) continue;
    const { code, name } = quota;
    const [limit, used] = await Promise.all([
      tryLookup(() => quotas.ec2(code)),
      tryLookup(() => ec2.vcpusInUse(quota, market)),
    ]);
    found.set(code, { name, code, market, limit, used });
  }
  return [...found.values()];
}

async function runs([command = "", ...args]: readonly string[]): Promise<boolean> {
  return (await execa(command, args, { reject: false, stdio: "ignore", timeout: 15_000 })).exitCode === 0;
}
