import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { pulumiFix } from "../../config/problem.ts";
import { boundaryName, boundaryStatements } from "../../plan/ci/boundary.ts";
import type { CiPlace } from "../../plan/ci/permissions/scopes.ts";
import type { CiPlan, CiRolePlan } from "../../plan/ci/plan.ts";
import { policyNames, rolePolicies } from "../../plan/ci/roles.ts";
import { type ByRole, trustStatements } from "../../plan/ci/trust.ts";
import { policyDocument } from "../iam.ts";

export interface CiAccessArgs {
  readonly plan: CiPlan;
  readonly place: { readonly [Field in keyof CiPlace]: pulumi.Input<CiPlace[Field]> };
}

/** The OIDC provider, and the roles that jobs take by it: no access key is stored anywhere. */
export class CiAccess extends pulumi.ComponentResource {
  readonly providerArn: pulumi.Output<string>;
  readonly roleArns: pulumi.Output<ByRole<string>>;
  /** For the deployed stack's `permissionsBoundaryArn`. */
  readonly boundaryArn: pulumi.Output<string>;

  constructor(name: string, { plan, place }: CiAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:ci:CiAccess", name, {}, opts);

    this.providerArn =
      plan.oidcProviderArn === null ? createOidcProvider(name, plan, place, this) : pulumi.output(plan.oidcProviderArn);
    const boundary = boundaryName(plan);
    this.boundaryArn = new aws.iam.Policy(
      boundary,
      {
        name: boundary,
        description: "The most that roles of a deployed stack may do",
        policy: pulumi.output(place).apply((known) => policyDocument(boundaryStatements(plan, known))),
      },
      { parent: this },
    ).arn;
    const createRole = (role: CiRolePlan) => this.#createRole(role, plan, pulumi.output(place));
    const { preview, drift, deploy, canary, mirror } = plan.roles;
    this.roleArns = pulumi.output({
      preview: createRole(preview),
      drift: createRole(drift),
      deploy: createRole(deploy),
      ...(canary ? { canary: createRole(canary) } : {}),
      ...(mirror ? { mirror: createRole(mirror) } : {}),
    });
    this.registerOutputs({
      providerArn: this.providerArn,
      roleArns: this.roleArns,
      boundaryArn: this.boundaryArn,
    });
  }

  #createRole(role: CiRolePlan, plan: CiPlan, place: pulumi.Output<CiPlace>): pulumi.Output<string> {
    const made = new aws.iam.Role(
      role.name,
      {
        name: role.name,
        description: `Jobs of ${plan.repository}: ${role.environment}`,
        assumeRolePolicy: this.providerArn.apply((arn) => policyDocument(trustStatements(role.trust, arn))),
        maxSessionDuration: role.sessionSeconds,
      },
      { parent: this },
    );
    for (const name of policyNames(role.role)) {
      const document = place.apply((known) => {
        const found = rolePolicies(role.role, plan, known).find((each) => each.name === name);
        return policyDocument(found?.statements ?? []);
      });
      const policy = new aws.iam.Policy(
        `${role.name}-${name}`,
        { name: `${role.name}-${name}`, policy: document },
        { parent: this },
      );
      const attached = { role: made.name, policyArn: policy.arn };
      new aws.iam.RolePolicyAttachment(`${role.name}-${name}`, attached, { parent: this });
    }
    return made.arn;
  }
}

function createOidcProvider(
  name: string,
  { roles, ciProvider, stack }: CiPlan,
  { partition, account }: CiAccessArgs["place"],
  parent: pulumi.Resource,
) {
  const { issuer, audience } = roles.deploy.trust;
  const arn = pulumi.interpolate`arn:${partition}:iam::${account}:oidc-provider/${issuer}`;
  const provider = new aws.iam.OpenIdConnectProvider(
    `${name}-${ciProvider}`,
    // No thumbprint: IAM has the authorities of both.
    { url: `https://${issuer}`, clientIdLists: [audience] },
    // Other roles of the account may come to trust it.
    { parent, retainOnDelete: true, hooks: { onError: [existsHook(arn, stack)] } },
  );
  return provider.arn;
}

/** An account has one provider for each issuer, and the SDK's error does not say how to use it. */
function existsHook(arn: pulumi.Output<string>, stack: string): pulumi.ErrorHook {
  return new pulumi.ErrorHook("oidc-provider-exists", async ({ errors }) => {
    const known = await new Promise<string>((resolve) => arn.apply(resolve));
    const line = explainOidcError(errors.join("\n"), known, stack);
    if (line !== null) await pulumi.log.error(line);
    return false;
  });
}

/** One line on a provider that is there already, with its fix; null for another error. */
export function explainOidcError(text: string, arn: string, stack: string): string | null {
  if (!/EntityAlreadyExists/.test(text)) return null;
  const [, issuer] = arn.split(":oidc-provider/");
  const fix = pulumiFix({ set: "oidcProviderArn", value: arn }, stack);
  return `The account has an OIDC provider of ${issuer} already. Fix: ${fix}`;
}
