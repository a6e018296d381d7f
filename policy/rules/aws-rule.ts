import type { ResourceValidationArgs, ResourceValidationPolicy } from "@pulumi/policy";

/** A rule about resources of some types: `problems` says what is wrong with one, a line each. */
export function awsRule(
  name: string,
  description: string,
  types: readonly string[],
  problems: (resource: ResourceValidationArgs) => readonly string[],
): ResourceValidationPolicy {
  return {
    name,
    description,
    enforcementLevel: "mandatory",
    validateResource: (args, reportViolation) => {
      if (!types.includes(args.type)) return;
      for (const problem of problems(args)) reportViolation(`${args.name}: ${problem}`);
    },
  };
}

export const VOLUME = "aws:ebs/volume:Volume";
export const INSTANCE = "aws:ec2/instance:Instance";
export const LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";
export const PARAMETER = "aws:ssm/parameter:Parameter";
