import { awsRule } from "./aws-rule.ts";

const ROLE = "aws:iam/role:Role";
const ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
const DOCUMENTS = ["aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy", "aws:iam/userPolicy:UserPolicy"];

/** Actions that AWS names no resource for. */
const WITHOUT_RESOURCE = [
  "cloudwatch:PutMetricData",
  "dlm:CreateLifecyclePolicy",
  "ecr:GetAuthorizationToken",
  "ecs:DeregisterTaskDefinition",
  "ecs:DescribeTaskDefinition",
  "logs:DescribeLogGroups",
  "servicequotas:GetServiceQuota",
  "ssm:DescribeParameters",
  "ssm:UpdateInstanceInformation",
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
];

/** Lists of these services have no resource, either; the attributes of one resource have it. */
const LISTED = /^(?:autoscaling|ec2|elasticloadbalancing):Describe(?!(?:Instance|Vpc|Volume|Image)Attribute$)/;

/** AWS's own policies that give a whole service, or all of them. */
const SWEEPING = /^arn:aws[a-z-]*:iam::aws:policy\/(?:.+\/)?(?:AdministratorAccess|PowerUserAccess|\w+FullAccess)$/;

interface Statement {
  readonly Effect?: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly NotAction?: unknown;
  readonly NotResource?: unknown;
  readonly NotPrincipal?: unknown;
  readonly Principal?: string | Readonly<Record<string, string | readonly string[]>>;
  readonly Condition?: Readonly<Record<string, unknown>>;
}

/** Who breaks out of the container has the host's role: it may do what the host does, on what is the stack's own. */
export const iamLeastPrivilege = awsRule(
  "iam-least-privilege",
  "Roles name the actions and resources they need.",
  [...DOCUMENTS, ROLE, ATTACHMENT],
  ({ type, props }) => {
    if (type === ATTACHMENT) return attached([props.policyArn]);
    if (type !== ROLE) return granted(props.policy);
    const inline = ((props.inlinePolicies ?? []) as { policy?: unknown }[]).flatMap(({ policy }) => granted(policy));
    return [...inline, ...attached(props.managedPolicyArns ?? []), ...trusted(props.assumeRolePolicy)];
  },
);

function attached(arns: readonly unknown[]): string[] {
  const bad = arns.filter((arn) => typeof arn === "string" && SWEEPING.test(arn));
  return bad.map((arn) => `expected a policy of its own, got ${String(arn)}.`);
}

function granted(document: unknown): string[] {
  const allowed = statements(document).filter(({ Effect }) => Effect !== "Deny");
  return allowed.flatMap((statement) => {
    if (statement.NotAction !== undefined || statement.NotResource !== undefined)
      return ["expected Action and Resource, got all but some."];
    const actions = list(statement.Action);
    const wild = actions.filter((action) => action.includes("*") || action.includes("?"));
    const wide = list(statement.Resource).filter(isEverything);
    const unbound = actions.filter(
      (action) => !wild.includes(action) && !WITHOUT_RESOURCE.includes(action) && !LISTED.test(action),
    );
    return [
      ...(wild.length > 0 ? [`expected actions by name, got ${wild.join(", ")}.`] : []),
      ...(wide.length > 0 && unbound.length > 0
        ? [`expected resources by name for ${unbound.join(", ")}, got ${wide.join(", ")}.`]
        : []),
    ];
  });
}

/** `*`, and an ARN whose resource is no more than that. */
function isEverything(resource: string): boolean {
  return /^\*+$/.test(resource.split(":").slice(5).join(":") || resource);
}

function trusted(document: unknown): string[] {
  const open = statements(document).filter(({ Effect, Principal, NotPrincipal, Condition }) => {
    const named = typeof Principal === "string" ? [Principal] : Object.values(Principal ?? {}).flatMap(list);
    return Effect !== "Deny" && !Condition && (NotPrincipal !== undefined || named.includes("*"));
  });
  return open.length > 0 ? ["expected assumeRolePolicy to trust a principal by name, got everybody."] : [];
}

/** A document is JSON text, or an object; one that is not known yet has no statements. */
function statements(document: unknown): Statement[] {
  const parsed = typeof document === "string" ? (JSON.parse(document) as unknown) : document;
  const found = (parsed as { Statement?: Statement | Statement[] } | undefined)?.Statement ?? [];
  return [found].flat();
}

function list(value: string | readonly string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat();
}
