/**
 * What is known of a stack's account and host before `up` and by doctor. In: the stack's settings, AWS's responses. Out:
 * facts, gathered without changing anything. What AWS denies or does not answer is `unknown`, never a failure.
 */
import { join } from "node:path";
import { execa } from "execa";
import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { type VcpuQuota, vcpuQuota } from "../../../../infra/contract.ts";
import { hostTypes } from "../../../../infra/plan/aws/zone.ts";
import type { Context } from "../../../core/context.ts";
import { openIdentity, openQuotas } from "../client/account.ts";
import type { AwsClientConfig } from "../client/client-config.ts";
import type { Ec2 } from "../client/ec2.ts";
import { describeAwsError, type Lookup, tryLookup } from "../client/errors.ts";
import { TUNNEL_TOOLS } from "../host/connection.ts";
import { hostRequirements } from "../stack/host-requirements.ts";
import { type LaunchCandidate, launchCandidates } from "../stack/launch-candidates.ts";
import { choosePlace } from "../stack/place.ts";
import { connect, findHost, readHostStatus } from "../stack/stack.ts";
import { parseState, readState } from "../stack/state.ts";
import { cudaOf, driverFor } from "./drivers.ts";

export type AwsFacts = Readonly<Awaited<ReturnType<typeof inspectAws>>>;
export type QuotaFacts = Awaited<ReturnType<typeof inspectQuotas>>[number];

export async function inspectAws(context: Context, settings: AwsSettings, client: AwsClientConfig) {
  const { paths, files } = context;
  const state = parseState(files.name, await readState(context).catch(() => null));
  const { readManifest } = await import("../../../../infra/io/manifests.ts");
  const manifest = readManifest(settings.modelId, paths.manifests);
  const requirements = hostRequirements(settings, { stack: files.name, manifest });
  const candidates = launchCandidates(requirements);
  const types = hostTypes(settings);
  const cuda = cudaOf(join(paths.imageGen, "requirements.lock"));
  const stack = await connect(files.name, client, state);
  const { ec2 } = stack;
  const caller = await findCaller(client);
  const look = <T>(run: () => Promise<T>): Promise<Lookup<T>> =>
    caller.known ? tryLookup(run) : Promise.resolve(caller);
  const tools = [["docker", "buildx", "version"], ...Object.keys(TUNNEL_TOOLS).map((tool) => [tool, "--version"])];
  const [typeSpecs, place, quotas, host, volume, hostStatus, ...works] = await Promise.all([
    look(() => ec2.types(types)),
    look(() => choosePlace(stack, settings, requirements.gpuMemoryMib)),
    caller.known ? inspectQuotas(client, candidates, ec2) : [],
    look(() => findHost(stack)),
    look(async () => (state.volumeId === null ? undefined : ec2.volume(state.volumeId))),
    look(() => readHostStatus(stack)),
    ...tools.map(runs),
  ]);
  return {
    stack: files.name,
    region: client.region,
    requirements,
    candidates,
    // When unknown, nothing else could be looked up.
    caller,
    types: typeSpecs,
    place,
    quotas,
    host,
    volume,
    hostStatus,
    // "13.2"; null: not found in the lock file.
    cuda,
    driver: driverFor(requirements.ami, cuda),
    hasBuildx: works[0] === true,
    missingTunnelTools: Object.keys(TUNNEL_TOOLS).filter((_, index) => !works[index + 1]),
    now: Date.now(),
  };
}

async function findCaller(
  client: AwsClientConfig,
): Promise<Lookup<{ readonly account: string; readonly arn: string }>> {
  try {
    return { known: true, value: await (await openIdentity(client)).caller() };
  } catch (error) {
    return { known: false, reason: describeAwsError(error) };
  }
}

async function inspectQuotas(client: AwsClientConfig, candidates: readonly LaunchCandidate[], ec2: Ec2) {
  const quotas = await openQuotas(client);
  const found = new Map<string, VcpuQuota & Pick<LaunchCandidate, "market">>();
  for (const { type, market } of candidates) {
    const quota = vcpuQuota(type, market);
    if (quota) found.set(quota.code, { ...quota, market });
  }
  return Promise.all(
    [...found.values()].map(async (quota) => ({
      ...quota,
      // vCPUs that the account may run; null: AWS reports no value.
      limit: await tryLookup(() => quotas.ec2(quota.code)),
      used: await tryLookup(() => ec2.vcpusInUse(quota, quota.market)),
    })),
  );
}

async function runs([command = "", ...args]: readonly string[]): Promise<boolean> {
  return (await execa(command, args, { reject: false, stdio: "ignore", timeout: 15_000 })).exitCode === 0;
}
