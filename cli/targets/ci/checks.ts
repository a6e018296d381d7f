import { isDeepStrictEqual } from "node:util";
import { trustStatements } from "../../../infra/plan/ci/trust.ts";
import { commandFor } from "../../core/command-line.ts";
import { type Check, fail, ok, unknown, warn } from "../../doctor/check.ts";
import type { Lookup } from "../aws/client/errors.ts";
import type { CiFacts, RoleFacts } from "./doctor.ts";
import type { CiOutputValues } from "./outputs.ts";

/** The checks of what deployments from CI need, in the order in which they need it. Pure. */
export function ciChecks(facts: CiFacts): Check[] {
  const account = accountCheck(facts);
  const state = stateCheck(facts);
  const outputs = facts.outputs.known ? facts.outputs.value : null;
  if (account.status !== "ok" || outputs === null) return [account, state];
  return [
    account,
    state,
    providerCheck(facts, outputs),
    ...facts.roles.flatMap((role) => roleChecks(role, facts, outputs)),
    ...githubChecks(facts),
    ...fileChecks(facts, outputs),
  ];
}

function accountCheck({ account }: CiFacts): Check {
  return account.known ? ok("account", account.value) : fail("account", account.reason.message, account.reason.fix);
}

function stateCheck({ outputs, stack }: CiFacts): Check {
  const setup = commandFor(stack, "ci setup");
  return known("state", outputs, (found) =>
    found ? ok("state", found.ciBackendUrl) : fail("state", `its bucket has no state of the stack ${stack}.`, setup),
  );
}

function providerCheck({ audiences, plan }: CiFacts, { oidcProviderArn }: CiOutputValues): Check {
  const { audience, issuer } = plan.roles.deploy.trust;
  return known("provider", audiences, (all) => {
    if (all.includes(audience)) return ok("provider", `${issuer}, for ${audience}`);
    const fix = `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ${oidcProviderArn} --client-id ${audience}`;
    return fail("provider", `the OIDC provider of ${issuer} lacks the audience ${audience}.`, fix);
  });
}

function roleChecks(
  { name, trust, denied, findings }: RoleFacts,
  { plan, stack }: CiFacts,
  { oidcProviderArn }: CiOutputValues,
): Check[] {
  const setup = commandFor(stack, "ci setup");
  const planned = Object.values(plan.roles).find((role) => role.name === name)?.trust;
  const trusted = known("role", trust, (document) => {
    if (document === undefined) return fail("role", `${name}: the account has no such role.`, setup);
    const { Statement } = document as { Statement?: unknown };
    if (planned && isDeepStrictEqual(Statement, trustStatements(planned, oidcProviderArn)))
      return ok("role", `${name}, for ${planned.subjects.join(" or ")}`);
    return fail("role", `${name} trusts others than ${planned?.subjects.join(" and ")}, or not these.`, setup);
  });
  if (trusted.status !== "ok") return [trusted];
  return [
    trusted,
    known("permissions", denied, ({ byRole, byOrganization }) => {
      if (byRole.length > 0)
        return fail("permissions", `${name} lacks ${listed(byRole)}, by its policies or its boundary.`, setup);
      if (byOrganization.length > 0)
        return fail(
          "permissions",
          `a policy of the organisation's denies ${name} ${listed(byOrganization)}.`,
          "ask the organisation's administrator",
        );
      return ok("permissions", `${name}: IAM's simulation allows all that its policies list`);
    }),
    known("policies", findings, (found) => {
      if (found.length === 0) return ok("policies", `${name}: Access Analyzer finds no error and no security warning`);
      const remarks = found.map(({ code, detail }) => `${code}: ${detail}`);
      return warn(
        "policies",
        `${name}: ${remarks.join("; ")}`,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html",
      );
    }),
  ];
}

function githubChecks({ plan, repository, variables, branches, stack }: CiFacts): Check[] {
  const setup = commandFor(stack, "ci setup");
  const settings = `https://github.com/${plan.repository}/settings/environments`;
  return [
    known("repository", repository, ({ name, ids, defaultBranch }) => {
      if (name !== plan.repository || ids !== plan.repositoryIds)
        return fail("repository", `GitHub has ${name} with the ids ${ids}, which the roles do not trust.`, setup);
      if (defaultBranch === plan.deployBranch) return ok("repository", `${name}, ${ids}`);
      return warn(
        "repository",
        `its default branch is ${defaultBranch}, and ${plan.deployBranch} is deployed.`,
        "name that branch in .github/workflows, too",
      );
    }),
    known("variables", variables, (all) => {
      const wrong = all.filter(({ value, found }) => value !== found);
      if (wrong.length === 0) return ok("variables", `the ${all.length} that the workflows read`);
      const names = wrong.map(({ name, environment }) => (environment === null ? name : `${name} of ${environment}`));
      return fail("variables", `missing or of another value: ${names.join(", ")}.`, setup);
    }),
    known("branches", branches, (all) => {
      const open = Object.entries(all).filter(([, names]) => names.join() !== plan.deployBranch);
      if (open.length === 0) return ok("branches", `${Object.keys(all).join(" and ")}: ${plan.deployBranch} alone`);
      const named = open.map(([name, found]) => `${name} (${found.length === 0 ? "any branch" : found.join(", ")})`);
      return fail(
        "branches",
        `these environments are not for ${plan.deployBranch} alone: ${named.join(", ")}.`,
        settings,
      );
    }),
  ];
}

function fileChecks({ files, boundaries, plan, stack }: CiFacts, outputs: CiOutputValues): Check[] {
  const setup = commandFor(stack, "ci setup");
  const fileOf = (name: string) => `stacks/Pulumi.${name}.yaml`;
  const keyCheck = (file: string, secretsProvider: string | undefined) =>
    secretsProvider === outputs.secretsProvider
      ? ok("key", `${file} names the key of its secrets`)
      : fail("key", `${file} does not name the key of its secrets (secretsprovider).`, setup);
  return [
    ...boundaries.map(({ stack: name, arn }) =>
      arn === outputs.permissionsBoundaryArn
        ? ok("boundary", `${fileOf(name)} has permissionsBoundaryArn`)
        : fail(
            "boundary",
            `${fileOf(name)} lacks the boundary that the role requires (permissionsBoundaryArn).`,
            setup,
          ),
    ),
    ...files.flatMap(({ stack: name, secretsProvider, isCommitted }) => {
      const file = fileOf(name);
      const commit = `git add ${file} && git commit -m "Deploy from CI"`;
      return [
        // The canary's jobs make its stack, and name the key.
        ...(name === plan.canaryStack ? [] : [keyCheck(file, secretsProvider)]),
        isCommitted
          ? ok("committed", `${file} is in Git as it is here`)
          : warn("committed", `${file} has changes that are not in Git.`, commit),
      ];
    }),
  ];
}

/** A line for a lookup that AWS or GitHub did not answer, or the check of what it did. */
function known<T>(id: string, lookup: Lookup<T>, check: (value: T) => Check): Check {
  return lookup.known ? check(lookup.value) : unknown(id, lookup.reason.message, lookup.reason.fix);
}

const MOST = 12;

function listed(actions: readonly string[]): string {
  const more = actions.length - MOST;
  return actions.slice(0, MOST).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
