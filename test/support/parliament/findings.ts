/** A remark of parliament's on one policy. */
export interface ParliamentFinding {
  readonly policy: string;
  readonly issue: string;
  readonly severity: string;
  /** Of a mismatch: Python's text of a list of actions with the resource that each needs. */
  readonly detail: string;
}

interface PolicyDocument {
  readonly Version: string;
  readonly Statement: readonly { readonly Action: readonly string[]; readonly Resource: string | readonly string[] }[];
}

type Documents = Readonly<Record<string, PolicyDocument>>;

interface Explanation {
  /** The names of the policies. */
  readonly policy: RegExp;
  readonly issue: string;
  /** What the finding says. */
  readonly detail: RegExp;
  readonly why: string;
  readonly source: string;
}

/** Findings that are no faults, each with the reason and where it is from. One that parliament does not have any more is a problem itself. */
const EXPLAINED: readonly Explanation[] = [
  {
    policy: /^(?:deploy|canary) identity$/,
    issue: "MISMATCHED_TYPE_BUT_USABLE",
    detail: /StringEquals requires a value of type String but given Arn/,
    why: "The boundary's ARN has no wildcard, and AWS's own example compares iam:PermissionsBoundary by StringEquals.",
    source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html",
  },
  {
    policy: /^(?:deploy|canary) services$/,
    issue: "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
    detail: /image-gen-alb-logs-\* due to s3:(?:GetObject|PutObject) not being allowed/,
    why: "Whoever may write the policy of the bucket with the balancer's log can read that log. The role makes the bucket, and nothing else is in it.",
    source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html",
  },
  {
    policy: /^(?:deploy|canary) services$/,
    issue: "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
    detail: /image-gen-results-\* due to s3:(?:GetObject|PutObject) not being allowed/,
    why: "Whoever may write the policy of the bucket with a fleet's jobs can read them. The role makes the bucket, and the workers that read it, too.",
    source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html",
  },
  {
    policy: /^(?:deploy|canary) balancer$/,
    issue: "RESOURCE_MISMATCH",
    detail: /^elasticloadbalancing:\w+ on arn:\*:elasticloadbalancing:\*:\*:listener\/net\//,
    why: "The stack's balancer is an application's (listener/app); parliament wants every kind that an action takes.",
    source: "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html",
  },
];

/** A line for each finding that is a fault, and for each explanation that explains nothing any more. */
export function unexplained(
  documents: Documents,
  findings: readonly ParliamentFinding[],
  explained: readonly Explanation[] = EXPLAINED,
): readonly string[] {
  const used = new Set<Explanation>();
  const faults = findings.flatMap((finding) =>
    partsOf(finding)
      .filter((part) => !isAnswered(documents, finding, part))
      .flatMap((part) => {
        const found = explained.find(
          ({ policy, issue, detail }) => policy.test(finding.policy) && issue === finding.issue && detail.test(part),
        );
        if (found) used.add(found);
        return found ? [] : [`${finding.policy}: ${finding.issue} (${finding.severity}): ${part}`];
      }),
  );
  const stale = explained.filter((each) => !used.has(each));
  return [
    ...new Set(faults),
    ...stale.map(
      ({ policy, issue }) => `${policy.source}: ${issue} is explained, and parliament does not find it. Fix: remove it`,
    ),
  ];
}

const MISMATCH = /'action': '([^']+)', 'required_format': '([^']+)'/g;

/** A mismatch is one for each action and resource, as "<action> on <resource>". */
function partsOf({ issue, detail }: ParliamentFinding): readonly string[] {
  if (issue !== "RESOURCE_MISMATCH") return [detail];
  const parts = [...detail.matchAll(MISMATCH)].map(([, action, format]) => `${action} on ${format}`);
  return parts.length > 0 ? parts : [detail];
}

/**
 * parliament looks at one statement at a time: an action that takes several kinds of resources is a mismatch in each statement that
 * has not all of them. It is none where another statement of the same role has the kind.
 */
function isAnswered(documents: Documents, { policy, issue }: ParliamentFinding, part: string): boolean {
  if (issue !== "RESOURCE_MISMATCH") return false;
  const [action = "", format = ""] = part.split(" on ");
  const [role] = policy.split(" ");
  return Object.entries(documents)
    .filter(([name]) => name.split(" ")[0] === role)
    .flatMap(([, { Statement }]) => Statement)
    .filter(({ Action }) => Action.includes(action))
    .flatMap(({ Resource }) => [Resource].flat())
    .some((resource) => resource === "*" || kindOf(resource) === kindOf(format));
}

/** "arn:aws:ec2:us-east-1:1:volume/*" is an "ec2 volume", a listener of an application's balancer another kind than a network's. */
function kindOf(arn: string): string {
  const [, , service = "", , , ...rest] = arn.split(":");
  const [type = "", kind = ""] = rest.join(":").split("/");
  return type === "listener" ? `${service} ${type}/${kind}` : `${service} ${type}`;
}
