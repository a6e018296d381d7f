import type { ResourceValidationPolicy } from "@pulumi/policy";

/** A container as a rule sees it: the provider's arguments, resolved; what is not known yet is missing. */
export interface ContainerInputs {
  readonly image?: string;
  readonly envs?: readonly string[];
  readonly ports?: readonly { readonly ip?: string; readonly external?: number }[];
  readonly capabilities?: { readonly adds?: readonly string[]; readonly drops?: readonly string[] };
  readonly securityOpts?: readonly string[];
  readonly privileged?: boolean;
  readonly readOnly?: boolean;
  readonly networkMode?: string;
  readonly pidMode?: string;
  readonly ipcMode?: string;
}

/** A rule about containers: `problem` says what is wrong with one, or nothing. */
export function containerRule(
  name: string,
  description: string,
  problem: (container: ContainerInputs) => string | undefined,
): ResourceValidationPolicy {
  return {
    name,
    description,
    enforcementLevel: "mandatory",
    validateResource: (args, reportViolation) => {
      if (args.type !== CONTAINER) return;
      const found = problem(args.props as ContainerInputs);
      if (found) reportViolation(`${args.name}: ${found}`);
    },
  };
}

const CONTAINER = "docker:index/container:Container";
