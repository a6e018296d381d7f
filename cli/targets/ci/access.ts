import type { CiPolicy } from "../../../infra/plan/ci/roles.ts";
import { type AwsClientConfig, sdkOptions } from "../aws/client/client-config.ts";
import { hasAwsErrorName } from "../aws/client/errors.ts";
import { type SimulatedCall, simulatedCalls } from "./simulation.ts";

/** Actions that IAM's simulation does not allow. */
export interface DeniedActions {
  /** By the role's policies or its boundary. */
  readonly byRole: readonly string[];
  /** By a policy of the organisation's. */
  readonly byOrganization: readonly string[];
}

/** A remark of Access Analyzer's on a policy. */
export interface PolicyFinding {
  readonly type: string;
  readonly code: string;
  readonly detail: string;
}

/** IAM and Access Analyzer, as far as the roles of CI need them. Errors are the SDK's own. */
export async function openAccess(config: AwsClientConfig) {
  const iam = await import("@aws-sdk/client-iam");
  const client = new iam.IAMClient(sdkOptions(config));

  async function simulate(roleArn: string, { actions, resources, context }: SimulatedCall) {
    // Keys that every request has, which an organisation's policies compare.
    const common = [
      { key: "aws:RequestedRegion", values: [config.region] },
      { key: "aws:PrincipalArn", values: [roleArn] },
    ];
    const command = new iam.SimulatePrincipalPolicyCommand({
      PolicySourceArn: roleArn,
      ActionNames: [...actions],
      ResourceArns: [...resources],
      ContextEntries: [...context, ...common].map(({ key, values }) => ({
        ContextKeyName: key,
        // The one key that has several values: the others are compared as one.
        ContextKeyType: key === "aws:TagKeys" ? ("stringList" as const) : ("string" as const),
        ContextKeyValues: [...values],
      })),
      MaxItems: 1000,
    });
    return (await client.send(command)).EvaluationResults ?? [];
  }

  return {
    /** ARNs of the account's OIDC providers. */
    async oidcProviders(): Promise<readonly string[]> {
      const { OpenIDConnectProviderList: list } = await client.send(new iam.ListOpenIDConnectProvidersCommand({}));
      return (list ?? []).map(({ Arn }) => Arn ?? "");
    },

    /** The trust policy of a role; undefined when the account has no such role. */
    async trustPolicy(role: string): Promise<object | undefined> {
      try {
        const { Role } = await client.send(new iam.GetRoleCommand({ RoleName: role }));
        return JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "%7B%7D")) as object;
      } catch (error) {
        if (hasAwsErrorName(error, "NoSuchEntityException", "NoSuchEntity")) return undefined;
        throw error;
      }
    },

    /** Audiences that an OIDC provider knows. */
    async clientIds(arn: string): Promise<readonly string[]> {
      const command = new iam.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn });
      return (await client.send(command)).ClientIDList ?? [];
    },

    /** Actions of the planned policies that IAM's simulation does not allow the role. */
    async deniedActions(roleArn: string, policies: readonly CiPolicy[]): Promise<DeniedActions> {
      const [byRole, byOrganization] = [new Set<string>(), new Set<string>()];
      for (const call of policies.flatMap(({ statements }) => statements.flatMap(simulatedCalls))) {
        for (const { EvalDecision, EvalActionName = "", OrganizationsDecisionDetail } of await simulate(
          roleArn,
          call,
        )) {
          if (EvalDecision === "allowed") continue;
          const isOrganization = OrganizationsDecisionDetail?.AllowedByOrganizations === false;
          (isOrganization ? byOrganization : byRole).add(EvalActionName);
        }
      }
      return { byRole: [...byRole].sort(), byOrganization: [...byOrganization].sort() };
    },

    /** What Access Analyzer says of a policy: errors, and warnings of security. */
    async validate(document: object): Promise<readonly PolicyFinding[]> {
      const sdk = await import("@aws-sdk/client-accessanalyzer");
      const analyzer = new sdk.AccessAnalyzerClient(sdkOptions(config));
      const command = new sdk.ValidatePolicyCommand({
        policyDocument: JSON.stringify(document),
        policyType: "IDENTITY_POLICY",
      });
      const { findings } = await analyzer.send(command);
      return (findings ?? [])
        .filter(({ findingType }) => findingType === "ERROR" || findingType === "SECURITY_WARNING")
        .map(({ findingType, issueCode, findingDetails }) => ({
          type: findingType ?? "",
          code: issueCode ?? "",
          detail: findingDetails ?? "",
        }));
    },
  };
}

export type Access = Awaited<ReturnType<typeof openAccess>>;
