import { imagegenCommand } from "../command-line.ts";
import { describeProblem, type Fix, type Problem } from "../config/problem.ts";
import { PROJECT, parameterPrefix } from "../contract.ts";
import type { Fixes } from "../fixes.ts";

/** The stack in the messages of the host's scripts, as bash. */
const HOST_STACK = "$IMAGE_GEN_STACK";

interface Place {
  /** The component's name. */
  readonly name: string;
  /** Of its resources in AWS. */
  readonly stack: string;
  readonly region: string;
  /** What runs the service's own command, in its container. */
  readonly serviceCommand: string;
  /** Whether its hosts are a fleet's, which replaces what ends; absent: it has one, which stays. */
  readonly isFleet?: boolean;
}

/** For the program of another project, whose settings are a component's arguments and which has no `imagegen`. */
export function componentFixes({ name, stack, region, serviceCommand, isFleet = false }: Place): Fixes {
  const set = (...fixes: readonly Fix[]) => `${name}: ${fixes.map(argumentFix).join(", ")}`;
  const logs = `aws logs tail ${parameterPrefix(stack)} --follow --region ${region}`;
  const stop = `aws ec2 stop-instances --instance-ids <instanceId> --region ${region}`;
  const restart = isFleet
    ? `aws autoscaling terminate-instance-in-auto-scaling-group --instance-id <instanceId> --no-should-decrement-desired-capacity --region ${region}`
    : `${stop}, then aws ec2 start-instances --instance-ids <instanceId> --region ${region}`;
  return {
    problem: (problem) => wordForArguments(name, problem),
    set,
    setByAny: set,
    serviceCommand,
    host: {
      examine: logs,
      status: `aws ec2 describe-instances --filters Name=tag:imagegen:stack,Values=${stack} --region ${region}`,
      restart,
      makeRoom: set({ set: "volumeSizeGb", value: "<a larger size>" }),
      raiseQuota: (increase) => increase,
      move: (zone) =>
        `${name}: volumeSnapshotId: <a snapshot of the volume>, availabilityZone: "${zone}", and volumeGeneration: <one more>`,
      inScripts: [
        [
          `${imagegenCommand(HOST_STACK, "up")} --config decryptKmsKeyArns=<ARN of the secret's key>`,
          set({ set: "decryptKmsKeyArns", value: "<ARN of the secret's key>" }),
        ],
        [imagegenCommand(HOST_STACK, "up"), "pulumi up"],
        [`${imagegenCommand(HOST_STACK, "stop")}, then ${imagegenCommand(HOST_STACK, "start")}`, restart],
        [
          imagegenCommand(HOST_STACK, "doctor"),
          `aws ec2 describe-volumes --volume-ids $IMAGE_GEN_VOLUME_ID --region ${region}`,
        ],
        [imagegenCommand(HOST_STACK, "logs"), logs],
      ],
    },
  };
}

/** For whoever gave a component its arguments. */
export function wordForArguments(component: string, problem: Problem): string {
  const path = problem.path === "aws:region" ? "region" : problem.path.replace(`${PROJECT}:`, "");
  return `${component}: ${describeProblem({ ...problem, path })}. Fix: ${argumentFix(problem.fix)}`;
}

function argumentFix(fix: Fix): string {
  if ("text" in fix) return fix.text;
  if ("secret" in fix) return `${fix.secret}: new pulumi.Config().requireSecret("${fix.secret}")`;
  const remove = fix.unset === undefined ? [] : [`remove ${fix.unset}`];
  const set = "set" in fix ? [`${fix.set.replace("aws:", "")}: ${literal(fix.value)}`] : [];
  return [...remove, ...set].join(", and ");
}

/** As a program writes it; what the reader has to fill in stays as it is. */
const literal = (value: string) => (/^(?:\d+|true|false|<[^<>]+>)$/.test(value) ? value : JSON.stringify(value));
