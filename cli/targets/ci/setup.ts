/** Makes what deployments from CI need, once in an account. Each step is left out where it is done, so that an interrupted run resumes. */
import { ciCommands, ciCommandWords } from "../../../infra/plan/ci/commands.ts";
import { CI_STATE_FOLDER, type CiPlan, makeCiPlan, stateBucketName } from "../../../infra/plan/ci/plan.ts";
import { type ByRole, roleNames } from "../../../infra/plan/ci/trust.ts";
import { commandFor } from "../../core/command-line.ts";
import { confirm } from "../../core/confirm.ts";
import type { Context } from "../../core/context.ts";
import { CliError, type ErrorDetail, EXIT } from "../../core/exit.ts";
import { AutomationStack } from "../../stack/automation-stack.ts";
import { qualifyAll } from "../../stack/config.ts";
import { ensureCli } from "../../toolchain/pulumi.ts";
import { openIdentity } from "../aws/client/account.ts";
import { type AwsClientConfig, awsClientConfig } from "../aws/client/client-config.ts";
import { toCliError, tryLookup } from "../aws/client/errors.ts";
import { type Access, openAccess } from "./access.ts";
import { prepareCanaryStack, prepareDeployStack, requireDeployStack } from "./deploy-stack.ts";
import { type GitHub, isGitHub, openGitHub } from "./github.ts";
import { type CiOutputValues, parseCiOutputs } from "./outputs.ts";
import { ciPlanRows } from "./plan.ts";
import { decideRepository } from "./repository.ts";
import { hasBucket } from "./state-bucket.ts";
import { StateProject } from "./state-project.ts";

export interface SetupOptions {
  readonly repository?: string;
  /** Leaves GitHub to the reader, whose commands are printed. */
  readonly withoutGh?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export interface CiSetup {
  readonly account: string;
  readonly dryRun: boolean;
  readonly plan: CiPlan;
  /** Of a run without --dry-run. */
  readonly outputs: CiOutputValues | null;
  /** What was set in the tracked files of the stacks. */
  readonly written: readonly string[];
  /** Lines that are left for the reader: GitHub's or GitLab's, where their command is not at hand. */
  readonly commands: readonly string[];
  /** What to do next. */
  readonly next: readonly string[];
}

const PROVIDER_TYPE = "aws:iam/openIdConnectProvider:OpenIdConnectProvider";

export async function setupCi(context: Context, options: SetupOptions): Promise<CiSetup> {
  const { paths, files, progress, signal } = context;
  const { values: decided, github, defaultBranch } = await decideRepository(context, options.repository);
  files.use(qualifyAll(decided));
  const client = awsClientConfig(files.name, files.config());
  const account = await callerAccount(client);
  const access = await openAccess(client);
  const tools = await ensureCli(paths, progress, signal);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);

  const project = await StateProject.open(context, files.name, tools.root, client.profile);
  const planNow = () => makeCiPlan(files.settings("ci"), files.name);
  const bucket = stateBucketName(planNow(), account);
  const own = `s3://${bucket}/${CI_STATE_FOLDER}?region=${client.region}`;
  const first = process.env.PULUMI_BACKEND_URL ?? project.ownBackend;
  const moved = (await hasBucket(client, bucket, account)) ? await project.resources(own) : undefined;
  const state = moved?.length ? moved : await project.resources(first);
  if (!state?.length) await requireNewAccount(access, planNow(), account);
  const hasProvider = (state ?? []).some(({ type }) => type === PROVIDER_TYPE);
  const adopted = hasProvider ? {} : await adoptProvider(access, planNow());
  const values = { ...decided, ...adopted };
  files.use(qualifyAll(values));
  const plan = planNow();
  requireDeployStack(context, plan);
  if (defaultBranch !== null && defaultBranch !== plan.deployBranch)
    progress.log(
      `GitHub's default branch is ${defaultBranch}, and ${plan.deployBranch} is deployed: the workflows must name ${plan.deployBranch}, too.`,
    );
  if (options.dryRun) return { account, dryRun: true, plan, outputs: null, written: [], commands: [], next: [] };

  requireGitHub(context, github, options);
  await confirm(describeStart(plan, account), { yes: options.yes, signal });
  const written = Object.keys(values).length > 0 ? [files.pin(qualifyAll(values))] : [];
  // Before AWS trusts their jobs: an environment without a rule is for every branch.
  const useGh = !options.withoutGh && github !== null && isGitHub(github);
  const restricted = useGh ? await restrictEnvironments(plan) : null;
  const outputs = await upCi(context, tools.root, client, moved?.length ? own : first);
  if (await project.move(first, own, outputs.secretsProvider)) progress.log(`The state of ${files.name} is in ${own}.`);
  const keys = await project.encryption(own);
  if (keys !== undefined && files.trackedFile().secretsprovider !== keys.secretsprovider)
    written.push(files.encryptWith(keys));
  const deployed = await prepareDeployStack(context, tools.root, client, plan, outputs);
  written.push(...deployed.written, ...prepareCanaryStack(context, plan, outputs));
  // A deployed stack's jobs keep the backend that has its state.
  const commands = deployed.isInBucket ? await setVariables(context, plan, outputs, restricted) : [];
  progress.stop();
  const next = deployed.isInBucket ? nextSteps(plan, outputs) : [commandFor(files.name, "ci setup")];
  return { account, dryRun: false, plan, outputs, written: [...new Set(written)], commands, next };
}

async function callerAccount(client: AwsClientConfig): Promise<string> {
  try {
    return (await (await openIdentity(client)).caller()).account;
  } catch (error) {
    throw toCliError(error, "looking up the account");
  }
}

/** Throws a CliError where GitHub can't be set up, unless the reader does that. */
function requireGitHub({ files }: Context, github: GitHub | ErrorDetail | null, { withoutGh }: SetupOptions): void {
  if (github === null || isGitHub(github) || withoutGh) return;
  const message = `${github.message} It restricts the environments to the deployed branch, without which jobs of every branch may deploy.`;
  const fix = `${github.fix}; or ${commandFor(files.name, "ci setup --without-gh")}, which prints GitHub's commands for you to run`;
  throw new CliError({ message, fix }, EXIT.missingPrerequisite);
}

/** Throws a CliError for an account that has the roles already, whose state is somewhere else. */
async function requireNewAccount(access: Access, plan: CiPlan, account: string): Promise<void> {
  const { name } = plan.roles.deploy;
  const found = await tryLookup(() => access.trustPolicy(name));
  if (!found.known || found.value === undefined) return;
  const message = `The account ${account} has the role ${name} already, and the state that it is in was not found.`;
  const fix = "export PULUMI_BACKEND_URL=… with the backend of that state; or another ciPrefix";
  throw new CliError({ message, fix });
}

/** The account's own OIDC provider, which is used in place of a new one: an account has one for each issuer. */
async function adoptProvider(access: Access, plan: CiPlan): Promise<Record<string, string>> {
  const { issuer, audience } = plan.roles.deploy.trust;
  const found = await tryLookup(() => access.oidcProviders());
  const existing = found.known ? found.value.find((each) => each.endsWith(`:oidc-provider/${issuer}`)) : undefined;
  const arn = plan.oidcProviderArn ?? existing;
  if (arn === undefined) return {};
  const clients = await tryLookup(() => access.clientIds(arn));
  if (clients.known && !clients.value.includes(audience)) {
    const message = `The account's OIDC provider of ${issuer} lacks the audience ${audience}, which the jobs' tokens have.`;
    const fix = `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ${arn} --client-id ${audience}`;
    throw new CliError({ message, fix });
  }
  return plan.oidcProviderArn === null ? { oidcProviderArn: arn } : {};
}

async function upCi(
  context: Context,
  root: string | undefined,
  { profile }: AwsClientConfig,
  backend: string,
): Promise<CiOutputValues> {
  const { files, progress, signal } = context;
  files.write({});
  const variables = { PULUMI_BACKEND_URL: backend, ...(profile === undefined ? {} : { AWS_PROFILE: profile }) };
  const stack = await AutomationStack.open(context, "ci-setup", root, variables);
  progress.log(`Bringing up the stack ${files.name} with Pulumi (log ${stack.log}) …`);
  const made = await stack.up({ signal, onText: (text) => progress.update(text) });
  const outputs = parseCiOutputs(Object.fromEntries(Object.entries(made).map(([name, { value }]) => [name, value])));
  if (outputs) return outputs;
  throw new CliError([{ message: `The stack ${files.name} lacks some of its outputs.` }, stack.logDetail]);
}

/** What is no variable: environments and the branches that may use them. They need no output, but the words of a command do. */
const withoutOutputs = ({ roles }: CiPlan) => ({
  backendUrl: "",
  previewStateUrl: "",
  secretsProvider: "",
  roleArns: Object.fromEntries(roleNames(roles).map((role) => [role, ""])) as ByRole<string>,
});

/** Makes the environments with their branch rules, and reads those back: GitHub takes a rule that its plan does not enforce. */
async function restrictEnvironments(plan: CiPlan): Promise<GitHub> {
  const github = await openGitHub(plan.repository);
  if (!isGitHub(github)) throw new CliError(github, EXIT.missingPrerequisite);
  for (const words of ciCommandWords(plan, withoutOutputs(plan))) if (words[1] === "api") await github.send(words);
  for (const { environment, role } of Object.values(plan.roles)) {
    if (role === "preview" || (await github.branches(environment)).includes(plan.deployBranch)) continue;
    const message = `GitHub does not restrict the environment ${environment} to ${plan.deployBranch}.`;
    throw new CliError({ message, fix: `https://github.com/${plan.repository}/settings/environments` });
  }
  return github;
}

/** Sets the variables by `gh`; what it was not used for is returned as lines for a shell. */
async function setVariables(
  { progress }: Context,
  plan: CiPlan,
  outputs: CiOutputValues,
  github: GitHub | null,
): Promise<readonly string[]> {
  if (github === null) return ciCommands(plan, outputs);
  for (const words of ciCommandWords(plan, outputs)) if (words[1] === "variable") await github.send(words);
  progress.log(`Set the environments and variables of ${plan.repository} on GitHub.`);
  return [];
}

function describeStart(plan: CiPlan, account: string): string {
  const rows = ciPlanRows(plan).map(([name, value]) => `  ${name.padEnd(9)} ${value}`);
  return `In the account ${account}:\n${rows.join("\n")}\n`;
}

function nextSteps({ ciProvider, deployBranch }: CiPlan, { backendUrl }: CiOutputValues): readonly string[] {
  return [
    ...(ciProvider === "github" ? ["Add reviewers to the environment `production` in the repository's settings."] : []),
    'git add stacks && git commit -m "Deploy from CI"',
    `git push origin HEAD:${deployBranch}     # starts the first deployment`,
    `export PULUMI_BACKEND_URL='${backendUrl}'     # for commands on your machine`,
  ];
}
