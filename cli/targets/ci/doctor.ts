/** What `ci doctor` knows: facts of the account, of GitHub and of the deployed stack's file, gathered without changing anything. */
import { execa } from "execa";
import { type CiVariable, ciVariables } from "../../../infra/plan/ci/commands.ts";
import { CI_STATE_FOLDER, type CiPlan, makeCiPlan, stateBucketName } from "../../../infra/plan/ci/plan.ts";
import { rolePolicies } from "../../../infra/plan/ci/roles.ts";
import { ROLE_ENVIRONMENTS, type RoleName, roleNames } from "../../../infra/plan/ci/trust.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, type ErrorDetail, EXIT } from "../../core/exit.ts";
import type { Check } from "../../doctor/check.ts";
import { readText } from "../../stack/config.ts";
import { StackFiles } from "../../stack/files.ts";
import { findPulumi } from "../../toolchain/pulumi.ts";
import { openIdentity } from "../aws/client/account.ts";
import { type AwsClientConfig, awsClientConfig } from "../aws/client/client-config.ts";
import { describeAwsError, type Lookup } from "../aws/client/errors.ts";
import { type Access, type DeniedActions, openAccess, type PolicyFinding } from "./access.ts";
import { ciChecks } from "./checks.ts";
import { type GitHub, type GitHubRepository, isGitHub, openGitHub } from "./github.ts";
import { type CiOutputValues, outputsIn, placeOf } from "./outputs.ts";
import { hasBucket } from "./state-bucket.ts";
import { StateProject } from "./state-project.ts";

export interface CiFacts {
  readonly stack: string;
  readonly plan: CiPlan;
  readonly account: Lookup<string>;
  /** The outputs in the state of the stack's own bucket; null: it has none. */
  readonly outputs: Lookup<CiOutputValues | null>;
  /** Audiences that the OIDC provider knows. */
  readonly audiences: Lookup<readonly string[]>;
  readonly roles: readonly RoleFacts[];
  readonly repository: Lookup<GitHubRepository>;
  readonly variables: Lookup<readonly VariableFacts[]>;
  /** The branches of each environment that is to be restricted. */
  readonly branches: Lookup<Readonly<Record<string, readonly string[]>>>;
  /** The files of this stack and of the one that the workflows deploy. */
  readonly files: readonly FileFacts[];
  /** `permissionsBoundaryArn` of the stack that the workflows deploy. */
  /** Of each stack that jobs make roles for: its `permissionsBoundaryArn`. */
  readonly boundaries: readonly { readonly stack: string; readonly arn: string | undefined }[];
}

export interface RoleFacts {
  readonly name: string;
  /** Undefined: the account has no such role. */
  readonly trust: Lookup<object | undefined>;
  readonly denied: Lookup<DeniedActions>;
  readonly findings: Lookup<readonly PolicyFinding[]>;
}

type VariableFacts = CiVariable & { readonly found: string | undefined };

/** A stack's file. */
interface FileFacts {
  readonly stack: string;
  readonly secretsProvider: string | undefined;
  /** Whether Git has the file as it is. */
  readonly isCommitted: boolean;
}

/** Checks of all that deployments from CI need, in the order in which they need it. */
export async function checkCi(context: Context): Promise<Check[]> {
  const { files } = context;
  if (readText(files.config(), "repository") === undefined) {
    const message = `The stack ${files.name} names no repository: nothing was set up yet.`;
    throw new CliError({ message, fix: commandFor(files.name, "ci setup") }, EXIT.usage);
  }
  const plan = makeCiPlan(files.settings("ci"), files.name);
  const client = awsClientConfig(files.name, files.config());
  const account = await look(async () => (await (await openIdentity(client)).caller()).account);
  const outputs = await look(async () => (account.known ? readOutputs(context, plan, client, account.value) : null));
  const found = outputs.known ? outputs.value : null;
  const access = await openAccess(client);
  const canaryStacks = plan.canaryStack === null ? [] : [plan.canaryStack];
  const roles =
    found === null
      ? []
      : await Promise.all(roleNames(plan.roles).map((role) => inspectRole(role, access, plan, found)));
  return ciChecks({
    stack: files.name,
    plan,
    account,
    outputs,
    audiences: await look(async () => (found === null ? [] : access.clientIds(found.oidcProviderArn))),
    roles,
    ...(await inspectGitHub(plan, found)),
    files: await Promise.all([files.name, plan.deployStack, ...canaryStacks].map((name) => inspectFile(context, name))),
    boundaries: [plan.deployStack, ...canaryStacks].map((name) => ({
      stack: name,
      arn: readText(new StackFiles(context.paths, name).trackedConfig(), "permissionsBoundaryArn"),
    })),
  });
}

async function readOutputs(
  context: Context,
  plan: CiPlan,
  client: AwsClientConfig,
  account: string,
): Promise<CiOutputValues | null> {
  const bucket = stateBucketName(plan, account);
  if (!(await hasBucket(client, bucket, account))) return null;
  const tools = await findPulumi(context.paths);
  if (!tools.ok) throw new CliError(tools.reason);
  const project = await StateProject.open(context, context.files.name, tools.root, client.profile);
  return outputsIn(await project.resources(`s3://${bucket}/${CI_STATE_FOLDER}?region=${plan.region}`));
}

async function inspectRole(role: RoleName, access: Access, plan: CiPlan, outputs: CiOutputValues): Promise<RoleFacts> {
  const name = plan.roles[role]?.name ?? "";
  const trust = await look(() => access.trustPolicy(name));
  if (!trust.known || trust.value === undefined) return { name, trust, denied: NONE_DENIED, findings: NOT_ASKED };
  const policies = rolePolicies(role, plan, placeOf(outputs));
  return {
    name,
    trust,
    denied: await look(() => access.deniedActions(outputs.roleArns[role] ?? "", policies)),
    findings: await look(async () => {
      const documents = policies.map(({ statements }) => ({ Version: "2012-10-17", Statement: statements }));
      return (await Promise.all(documents.map((document) => access.validate(document)))).flat();
    }),
  };
}

const NOT_ASKED = { known: true, value: [] } as const;
const NONE_DENIED = { known: true, value: { byRole: [], byOrganization: [] } } as const;

async function inspectGitHub(
  plan: CiPlan,
  outputs: CiOutputValues | null,
): Promise<Pick<CiFacts, "repository" | "variables" | "branches">> {
  if (plan.ciProvider !== "github") {
    const reason = { message: "GitLab is not asked for its variables.", fix: "glab variable list" };
    return { repository: unknownFor(reason), variables: unknownFor(reason), branches: unknownFor(reason) };
  }
  const github = await openGitHub(plan.repository);
  if (!isGitHub(github))
    return { repository: unknownFor(github), variables: unknownFor(github), branches: unknownFor(github) };
  return {
    repository: await look(() => github.repository()),
    variables: await look(() => inspectVariables(github, plan, outputs)),
    branches: await look(async () => {
      const restricted = roleNames(plan.roles)
        .filter((role) => role !== "preview")
        .map((role) => ROLE_ENVIRONMENTS[role]);
      return Object.fromEntries(await Promise.all(restricted.map(async (name) => [name, await github.branches(name)])));
    }),
  };
}

async function inspectVariables(
  github: GitHub,
  plan: CiPlan,
  outputs: CiOutputValues | null,
): Promise<VariableFacts[]> {
  if (outputs === null) return [];
  const wanted = ciVariables(plan, outputs);
  const places = [...new Set(wanted.map(({ environment }) => environment))];
  const found = new Map(
    await Promise.all(places.map(async (place) => [place, await github.variables(place)] as const)),
  );
  return wanted.map((variable) => ({ ...variable, found: found.get(variable.environment)?.[variable.name] }));
}

async function inspectFile({ paths }: Context, name: string): Promise<FileFacts> {
  const files = new StackFiles(paths, name);
  const status = await execa("git", ["status", "--porcelain", "--", files.tracked], { cwd: paths.root, reject: false });
  return {
    stack: name,
    secretsProvider: files.trackedFile().secretsprovider,
    isCommitted: status.exitCode === 0 && status.stdout.trim() === "",
  };
}

const unknownFor = (reason: ErrorDetail) => ({ known: false, reason }) as const;

/** Any failure is a reason for an unknown result: doctor reports it, and continues. */
async function look<T>(ask: () => Promise<T>): Promise<Lookup<T>> {
  try {
    return { known: true, value: await ask() };
  } catch (error) {
    const [detail] = error instanceof CliError ? error.details : [];
    return unknownFor(detail ?? describeAwsError(error));
  }
}
