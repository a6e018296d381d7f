/**
 * What is known of a stack's account and host before `up` and by doctor. In: the stack's settings, AWS's responses. Out:
 * facts, gathered without changing anything. What AWS denies or does not answer is `unknown`, never a failure.
 */
import { join } from "node:path";
import { execa } from "execa";
import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { MODEL_VARIABLES, type VcpuQuota, vcpuQuota } from "../../../../infra/contract.ts";
import { planAwsHost } from "../../../../infra/plan/aws/host.ts";
import { type AwsPlan, hasToken, makeAwsPlan, modelProblems } from "../../../../infra/plan/aws/plan.ts";
import { hostTypes } from "../../../../infra/plan/aws/zone.ts";
import type { Manifest } from "../../../../infra/plan/manifest.ts";
import { planRoom } from "../../../../infra/plan/room.ts";
import { modelPath } from "../../../../infra/plan/service-environment.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, type ErrorDetail, EXIT } from "../../../core/exit.ts";
import { WHOLE_BYTES } from "../../../doctor/room.ts";
import { findModelProblem } from "../../../service/hub-model.ts";
import { findEngine, freeBytes } from "../../../toolchain/docker.ts";
import { cachedBuild, dockerUsage } from "../../../toolchain/docker-usage.ts";
import { openIdentity, openQuotas } from "../client/account.ts";
import type { AwsClientConfig } from "../client/client-config.ts";
import type { Ec2 } from "../client/ec2.ts";
import { describeAwsError, type Lookup, tryLookup } from "../client/errors.ts";
import { TUNNEL_TOOLS } from "../host/connection.ts";
import { hostRequirements } from "../stack/host-requirements.ts";
import { type LaunchCandidate, launchCandidates } from "../stack/launch-candidates.ts";
import { choosePlace, chosen, type Place } from "../stack/place.ts";
import { type AwsStack, connect, findHost, readHostStatus } from "../stack/stack.ts";
import { parseState, readState, type StateExport } from "../stack/state.ts";
import { cudaOf, driverFor } from "./drivers.ts";
import { inspectPermissions } from "./permissions.ts";

export type AwsFacts = Readonly<Awaited<ReturnType<typeof inspectAws>>>;
export type QuotaFacts = Awaited<ReturnType<typeof inspectQuotas>>[number];

export async function inspectAws(context: Context, settings: AwsSettings, client: AwsClientConfig) {
  const { paths, files } = context;
  const read = await readOrExplain(context);
  const state = parseState(files.name, read.state);
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
  const plan = makeAwsPlan(settings, manifest, files.name);
  const tools = [["docker", "buildx", "version"], ...Object.keys(TUNNEL_TOOLS).map((tool) => [tool, "--version"])];
  const place = await look(() => choosePlace(stack, settings, requirements.gpuMemoryMib));
  const [typeSpecs, quotas, host, volume, hostStatus, permissions, engine, modelProblem, ...works] = await Promise.all([
    look(() => ec2.types(types)),
    caller.known ? inspectQuotas(client, candidates, ec2) : [],
    look(() => findHost(stack)),
    look(async () => (state.volumeId === null ? undefined : ec2.volume(state.volumeId))),
    look(() => readHostStatus(stack)),
    caller.known && place.known ? lookupRights(stack, settings, place.value) : [],
    findEngine(),
    findUnlistedModelProblem(context, settings, manifest),
    ...tools.map(runs),
  ]);
  return {
    stack: files.name,
    region: client.region,
    /** Where the stack's resources are; null before the first one. */
    stateRegion: state.region,
    stateProblem: read.problem,
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
    engine,
    hasBuildx: works[0] === true,
    room: settings.builder === null && engine.ok ? await inspectBuildRoom(engine, plan) : null,
    // An up that changes nothing needs neither the room nor the permissions of a first one.
    isFirst: state.url === null,
    permissions,
    problems: modelProblems(settings, plan, manifest),
    modelProblem,
    missingTunnelTools: Object.keys(TUNNEL_TOOLS).filter((_, index) => !works[index + 1]),
    now: Date.now(),
  };
}

/** The state, or why nobody can read it: what is not known of it then counts as not there. */
async function readOrExplain(
  context: Context,
): Promise<{ readonly state: StateExport | null; readonly problem: ErrorDetail | null }> {
  try {
    return { state: await readState(context), problem: null };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    // Without a Pulumi CLI, which has a check of its own, there is no state on this machine either.
    const [problem = null] = error.exitCode === EXIT.missingPrerequisite ? [] : error.details;
    return { state: null, problem };
  }
}

/** For the type that is tried first, in the zone that is chosen. */
async function lookupRights({ name, client, ssm }: AwsStack, settings: AwsSettings, place: Place) {
  const choice = chosen(place);
  if (!choice) return [];
  const { amiParameter } = planAwsHost(settings, name, 0);
  const ami = settings.amiId ?? (await ssm.parameter(amiParameter).catch(() => null)) ?? "ami-00000000";
  const [type = ""] = choice.types;
  return inspectPermissions(client, settings, { stack: name, zone: choice.zone, type, ami });
}

/** Docker's disk, and what a build takes of it; the model only where it is built into the image. */
async function inspectBuildRoom({ rootDir }: { readonly rootDir: string }, plan: AwsPlan) {
  const free = freeBytes(rootDir);
  if (free === undefined) return null;
  const { downloads, packages } = cachedBuild((await dockerUsage()) ?? { buildCache: [] });
  const facts = {
    hasImage: false,
    hasDownloads: downloads > WHOLE_BYTES,
    hasPackages: packages > WHOLE_BYTES,
    volumeBytes: Number.POSITIVE_INFINITY,
  };
  return { free, room: planRoom(plan, facts) };
}

/** What the hub says of a model without a manifest; the host has no token of this machine. */
async function findUnlistedModelProblem({ files, signal }: Context, settings: AwsSettings, manifest: Manifest | null) {
  if (manifest !== null || settings.modelMirror !== null || settings.offline) return undefined;
  if (modelPath(settings) !== null) return undefined;
  // An address that only the host reads.
  if (MODEL_VARIABLES.hubEndpoint in settings.environmentSecretArns) return undefined;
  const { modelId, modelRevision, hubEndpoint } = settings;
  const tokens = { hasSecretToken: hasToken(settings), usesLogin: false };
  const asked = { stack: files.name, modelId, modelRevision, hubEndpoint, ...tokens, signal };
  const here = settings.modelCache === "baked" ? {} : { HF_TOKEN: "", HUGGING_FACE_HUB_TOKEN: "", HF_TOKEN_PATH: "" };
  const found = await findModelProblem(asked, { ...process.env, ...here });
  if (!found || settings.modelCache === "baked" || !found.message.includes("GATED_MODEL")) return found;
  const fix = `accept them there, then ${commandFor(files.name, "up --config hfTokenSecretArn=arn:aws:secretsmanager:…")}`;
  return { ...found, fix };
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
