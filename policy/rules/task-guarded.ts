import { isSecretName } from "../../infra/contract.ts";
import { awsRule } from "./aws-rule.ts";

interface Container {
  readonly name?: string;
  readonly image?: string;
  readonly essential?: boolean;
  readonly user?: string;
  readonly privileged?: boolean;
  readonly readonlyRootFilesystem?: boolean;
  readonly linuxParameters?: { readonly capabilities?: { readonly drop?: readonly string[] } };
  readonly environment?: readonly { readonly name?: string }[];
}

/** What a container of the service may do on Docker, it may do on ECS, and no more. */
export const taskGuarded = awsRule(
  "task-guarded",
  "Tasks of ECS name their images by digest, keep their root read-only, drop all capabilities, run no service as root, and have secrets by their ARNs alone.",
  ["aws:ecs/taskDefinition:TaskDefinition"],
  ({ props }) => {
    const { containerDefinitions, networkMode } = props as { containerDefinitions?: string; networkMode?: string };
    return [
      // Else the task has the host's addresses, or another task's.
      ...(networkMode === "awsvpc" ? [] : [`expected networkMode awsvpc, got ${networkMode ?? "none"}.`]),
      ...(containerDefinitions === undefined ? [] : containersIn(containerDefinitions).flatMap(problemsOf)),
    ];
  },
);

function containersIn(text: string): readonly Container[] {
  const found = JSON.parse(text) as unknown;
  return Array.isArray(found) ? (found as Container[]) : [];
}

function problemsOf(container: Container): string[] {
  const { name = "?", image = "none", essential = true, user = "", environment = [] } = container;
  const secrets = environment.flatMap((each) =>
    each.name !== undefined && isSecretName(each.name) ? [each.name] : [],
  );
  const found = [
    /@sha256:[0-9a-f]{64}$/.test(image) ? null : `image as <repository>@sha256:…, got ${image}`,
    container.readonlyRootFilesystem === true ? null : "readonlyRootFilesystem",
    container.privileged === true ? "no privileged" : null,
    container.linuxParameters?.capabilities?.drop?.includes("ALL") ? null : "all capabilities to be dropped",
    // One that ends before the service starts may prepare a folder for it.
    essential && /^(?:0|root)?(?::.*)?$/.test(user)
      ? `a user other than root, got ${user === "" ? "none" : user}`
      : null,
    secrets.length > 0 ? `the ARN of a secret for ${secrets.join(", ")}, got a value` : null,
  ];
  return found.flatMap((problem) => (problem === null ? [] : [`expected ${problem} (container ${name}).`]));
}
