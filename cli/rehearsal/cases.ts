import { AwsError } from "../../aws-fake/aws-error.ts";
import type { Knobs } from "../../aws-fake/cloud.ts";
import type { Behaviour } from "../../aws-fake/host-player.ts";
import { commandFor } from "../core/command-line.ts";
import { CliError, EXIT } from "../core/exit.ts";
import type { CaseName } from "./case-names.ts";

/** What AWS may refuse, or what may fail, in a first deployment. */
export interface RehearsalCase {
  readonly name: CaseName;
  /** Ends the sentence "What `up` says when …". */
  readonly when: string;
  /** A type of which the stack must have a resource, for the case to be possible. */
  readonly needs: string;
  /** `type` is the host's instance type. */
  readonly knobs?: (type: string) => Partial<Knobs>;
  readonly host?: Partial<Behaviour>;
}

const INSTANCE = "aws:ec2/instance:Instance";
const GROUP = "aws:autoscaling/group:Group";
const IMAGE = "docker-build:index:Image";
const ROLE = "aws:iam/role:Role";
const VOLUME = "aws:ebs/volume:Volume";
const VPC = "aws:ec2/vpc:Vpc";

const CALLER = "arn:aws:iam::123456789012:user/you";
const refused = (type: string, error: AwsError | string) => (): Partial<Knobs> => ({ refuses: { [type]: error } });
const denied = (action: string) =>
  new AwsError(
    "AccessDenied",
    `User: ${CALLER} is not authorized to perform: ${action} because no identity-based policy allows the ${action} action`,
  );

/** In the order in which a first deployment meets them. */
export const CASES: readonly RehearsalCase[] = [
  {
    name: "build",
    when: "the image can't be built",
    needs: IMAGE,
    knobs: refused(
      IMAGE,
      'failed to solve: process "/bin/sh -c uv pip install" did not complete successfully: exit code: 1',
    ),
  },
  {
    name: "rights-role",
    when: "you may not create roles",
    needs: ROLE,
    knobs: refused(ROLE, denied("iam:CreateRole")),
  },
  {
    name: "quota-network",
    when: "the region has no room for another VPC",
    needs: VPC,
    knobs: refused(VPC, new AwsError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")),
  },
  {
    name: "quota-volume",
    when: "the account has no room for the volume",
    needs: VOLUME,
    knobs: refused(VOLUME, new AwsError("VolumeLimitExceeded", "You have exceeded your maximum gp3 storage limit")),
  },
  {
    name: "rights-host",
    when: "you may not start instances",
    needs: INSTANCE,
    knobs: refused(
      INSTANCE,
      new AwsError(
        "UnauthorizedOperation",
        `You are not authorized to perform this operation. User: ${CALLER} is not authorized to perform: ec2:RunInstances`,
      ),
    ),
  },
  {
    name: "quota-host",
    when: "the account's quota has no room for the host",
    needs: INSTANCE,
    knobs: () => ({ vcpuQuota: 0, spotVcpuQuota: 0 }),
  },
  {
    name: "capacity",
    when: "AWS has no such instance in the zone now, nor another one of instanceTypes",
    needs: INSTANCE,
    knobs: () => ({ noCapacity: () => true }),
  },
  {
    name: "capacity-group",
    when: "AWS has no instance for the group in the zone now",
    needs: GROUP,
    knobs: (type) =>
      refused(
        GROUP,
        new AwsError(
          "Failed",
          `We currently do not have sufficient ${type} capacity in the Availability Zone you requested`,
        ),
      )(),
  },
  {
    name: "service",
    when: "the service ends with an error on its host",
    needs: VOLUME,
    host: { kind: "failing", error: "the weights are damaged" },
  },
];

/** The asked cases, else all, that can happen to a stack of these types. Throws a CliError for one that is asked and can't. */
export function casesOf(
  asked: readonly string[] | undefined,
  types: ReadonlySet<string>,
  stack: string,
): readonly RehearsalCase[] {
  const wanted = CASES.filter(({ name }) => asked?.includes(name) ?? true);
  const impossible = wanted.find(({ needs }) => !types.has(needs));
  if (asked !== undefined && impossible !== undefined) {
    const message = `--case ${impossible.name}: expected a stack with a resource ${impossible.needs}, got ${stack}, which has none.`;
    throw new CliError({ message, fix: commandFor(stack, "rehearse") }, EXIT.usage);
  }
  return wanted.filter(({ needs }) => types.has(needs));
}
