import { shellWord } from "../../command-line.ts";
import { CANARY_STATE_FOLDER, type CiPlan } from "./plan.ts";
import { type ByRole, ROLE_ENVIRONMENTS, roleNames } from "./trust.ts";

/** What the workflows must know. */
export interface CiNames {
  readonly backendUrl: string;
  readonly previewStateUrl: string;
  readonly secretsProvider: string;
  readonly roleArns: ByRole<string>;
}

type CommandPlan = Pick<
  CiPlan,
  "ciProvider" | "repository" | "region" | "deployBranch" | "deployStack" | "canaryStack" | "mirrorUri"
>;

/** A variable of the repository, or of one of its environments. */
export interface CiVariable {
  readonly name: string;
  readonly value: string;
  readonly environment: string | null;
}

/** What the workflows read. */
export function ciVariables(
  plan: Pick<CommandPlan, "deployStack" | "region" | "canaryStack" | "mirrorUri">,
  names: CiNames,
): readonly CiVariable[] {
  const { canary, mirror } = ROLE_ENVIRONMENTS;
  const { roleArns, backendUrl } = names;
  const of = (environment: string | null, values: Readonly<Record<string, string | null | undefined>>) =>
    Object.entries(values).flatMap(([name, value]) => (value ? [{ name, value, environment }] : []));
  return [
    ...of(null, {
      IMAGEGEN_STACK: plan.deployStack,
      PULUMI_BACKEND_URL: backendUrl,
      IMAGEGEN_PREVIEW_STATE: names.previewStateUrl,
      AWS_REGION: plan.region,
      IMAGEGEN_CANARY_STACK: plan.canaryStack,
    }),
    ...roleNames(roleArns).flatMap((role) => of(ROLE_ENVIRONMENTS[role], { AWS_ROLE_ARN: roleArns[role] })),
    ...(plan.canaryStack === null
      ? []
      : of(canary, {
          PULUMI_BACKEND_URL: backendUrl.replace("?", `/${CANARY_STATE_FOLDER}?`),
          IMAGEGEN_SECRETS_PROVIDER: names.secretsProvider,
        })),
    ...of(mirror, { IMAGEGEN_MIRROR: plan.mirrorUri }),
  ];
}

/** Commands that set up GitHub or GitLab, for a shell: environments with the branch that may use them, and variables. In order. */
export const ciCommands = (plan: CommandPlan, names: CiNames): readonly string[] =>
  plan.ciProvider === "gitlab"
    ? ciVariables(plan, names).map((variable) => gitlabLine(plan.repository, variable))
    : ciCommandWords(plan, names).map(shellLine);

/** Those of GitHub, each as its program and arguments. */
export function ciCommandWords(plan: CommandPlan, names: CiNames): readonly (readonly string[])[] {
  return [
    ...roleNames(names.roleArns).flatMap((role) => environmentCommands(plan, ROLE_ENVIRONMENTS[role])),
    ...ciVariables(plan, names).map(({ name, value, environment }) => {
      const of = environment === null ? [] : ["--env", environment];
      return ["gh", "variable", "set", name, "--repo", plan.repository, ...of, "--body", value];
    }),
  ];
}

const shellLine = (words: readonly string[]) => words.map(shellWord).join(" ");

/** `set` makes a variable and refuses one that is there; `update` is the other way round. */
function gitlabLine(repository: string, { name, value, environment }: CiVariable): string {
  const scope = environment === null ? [] : ["--scope", environment];
  const line = (verb: string) => shellLine(["glab", "variable", verb, name, value, "--repo", repository, ...scope]);
  return `${line("update")} || ${line("set")}`;
}

/** Any branch may preview. The others are for the one that is deployed: a pull request can change a workflow, and the environment it names. */
function environmentCommands({ repository, deployBranch }: CommandPlan, environment: string): readonly string[][] {
  const path = `repos/${repository}/environments/${environment}`;
  const put = ["gh", "api", "--silent", "--method", "PUT", path];
  if (environment === ROLE_ENVIRONMENTS.preview) return [put];
  const policy = (name: string, on: boolean) => ["--field", `deployment_branch_policy[${name}]=${on}`];
  const branch = ["--method", "POST", `${path}/deployment-branch-policies`, "-f", `name=${deployBranch}`];
  return [
    [...put, ...policy("protected_branches", false), ...policy("custom_branch_policies", true)],
    ["gh", "api", "--silent", ...branch],
  ];
}
