import { deploymentParameter, parameterPrefix, stackTags } from "../../../infra/contract.ts";
import type { CiPlan } from "../../../infra/plan/ci/plan.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT, formatDetail } from "../../core/exit.ts";
import { qualifyAll, readText } from "../../stack/config.ts";
import { StackFiles } from "../../stack/files.ts";
import type { AwsClientConfig } from "../aws/client/client-config.ts";
import { openEc2 } from "../aws/client/ec2.ts";
import { tryLookup } from "../aws/client/errors.ts";
import { openSsm } from "../aws/client/ssm.ts";
import type { CiOutputValues } from "./outputs.ts";
import { StateProject } from "./state-project.ts";

/**
 * Throws a CliError unless the stacks that the workflows are to make are of this checkout, on AWS. The canary's is one host, which is asked
 * for its picture through a tunnel, and leaves nothing.
 */
export function requireDeployStack({ paths }: Context, { deployStack, canaryStack, stack }: CiPlan): void {
  const refuse = (key: string, message: string, value: string) => {
    throw new CliError({ message, fix: `pulumi config set ${key} ${value} --stack ${stack}` }, EXIT.usage);
  };
  const configOf = (key: string, targets: readonly string[], name: string, value: string) => {
    const files = new StackFiles(paths, name);
    files.requireKnown();
    const target = readText(files.config(), "target") ?? "local";
    if (!targets.includes(target)) {
      const expected = `a stack with target ${targets.join(" or ")}`;
      refuse(key, `${key}: expected ${expected}, got ${name}, which has target ${target}.`, value);
    }
    return files.config();
  };
  configOf("deployStack", ["aws", "fleet"], deployStack, "aws-volume");
  if (canaryStack === null) return;
  if (readText(configOf("canaryStack", ["aws"], canaryStack, "canary"), "onDestroy") === "delete") return;
  refuse(
    "canaryStack",
    `canaryStack: expected a stack with onDestroy delete, got ${canaryStack}, which would leave its volume.`,
    "canary",
  );
}

/** Writes the boundary into the file of the canary's stack, whose state its own jobs make. The files that changed. */
export function prepareCanaryStack(
  { paths }: Context,
  { canaryStack }: CiPlan,
  { permissionsBoundaryArn }: CiOutputValues,
): readonly string[] {
  if (canaryStack === null) return [];
  const files = new StackFiles(paths, canaryStack);
  if (readText(files.config(), "permissionsBoundaryArn") === permissionsBoundaryArn) return [];
  return [files.pin(qualifyAll({ permissionsBoundaryArn }))];
}

interface Prepared {
  readonly written: readonly string[];
  /** False where it is deployed already, with its state somewhere else. */
  readonly isInBucket: boolean;
}

/** Makes the stack that the workflows deploy, with nothing in it, and writes the key and the boundary into its file. */
export async function prepareDeployStack(
  context: Context,
  root: string | undefined,
  client: AwsClientConfig,
  { deployStack }: CiPlan,
  outputs: CiOutputValues,
): Promise<Prepared> {
  const { backendUrl, secretsProvider, permissionsBoundaryArn } = outputs;
  const files = new StackFiles(context.paths, deployStack);
  const project = await StateProject.open(context, deployStack, root, client.profile);
  if ((await project.resources(backendUrl)) === undefined) {
    const problem = await whyNotNew(project, client, deployStack, backendUrl);
    if (problem !== undefined) {
      const fix = "docs/guides/deploy-from-ci.md#a-stack-that-is-deployed-already";
      context.progress.log(formatDetail({ message: problem, fix }));
      return { written: [], isInBucket: false };
    }
    await project.init(backendUrl, secretsProvider);
  }
  const written: string[] = [];
  const tracked = files.trackedFile();
  const keys = await project.encryption(backendUrl);
  if (tracked.secretsprovider === undefined && tracked.encryptionsalt === undefined && keys !== undefined)
    written.push(files.encryptWith(keys));
  if (readText(files.config(), "permissionsBoundaryArn") !== permissionsBoundaryArn)
    written.push(files.pin(qualifyAll({ permissionsBoundaryArn })));
  return { written: [...new Set(written)], isInBucket: true };
}

/** Why the stack can't be made in the bucket; undefined when nothing of it is known. */
async function whyNotNew(project: StateProject, client: AwsClientConfig, name: string, backend: string) {
  for (const other of new Set([project.ownBackend, process.env.PULUMI_BACKEND_URL ?? project.ownBackend])) {
    if (other === backend) continue;
    const resources = (await project.resources(other)) ?? [];
    if (resources.length > 0) return `${name} is deployed already, with its state in ${other}, which is left there.`;
  }
  const hosts = await tryLookup(async () => (await openEc2(client)).hostsTagged(stackTags(name)));
  const [host] = hosts.known ? hosts.value : [];
  if (host)
    return `${name} has the host ${host.id} already, and its state is in a backend that this shell does not name.`;
  // A fleet may have no host.
  const parameter = deploymentParameter(parameterPrefix(name));
  const deployed = await tryLookup(async () => (await openSsm(client)).parameter(parameter));
  if (deployed.known && deployed.value !== null)
    return `${name} has the parameter ${parameter} already, and its state is in a backend that this shell does not name.`;
  const { encryptionsalt, secretsprovider } = project.file();
  if (encryptionsalt ?? secretsprovider)
    return `stacks/Pulumi.${name}.yaml has secrets of another passphrase or key, and is left as it is.`;
  return undefined;
}
