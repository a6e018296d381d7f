import { OWNER_LABELS } from "../contract.ts";

/** A stack, and the folder of the project that deploys it. */
export interface StackOwner {
  readonly stack: string;
  readonly checkout: string;
}

/** Who made a container: a stack of this program, or a project of Compose's. */
export type ContainerOwner =
  | ({ readonly kind: "stack" } & StackOwner)
  | { readonly kind: "compose"; readonly project: string; readonly folder: string | null };

export function ownerLabels({ stack, checkout }: StackOwner): Record<string, string> {
  return { [OWNER_LABELS.stack]: stack, [OWNER_LABELS.checkout]: checkout };
}

/** Null when no label says who made it. */
export function readOwner(labels: Readonly<Record<string, string>>): ContainerOwner | null {
  const project = labels["com.docker.compose.project"];
  if (project) return { kind: "compose", project, folder: labels["com.docker.compose.project.working_dir"] ?? null };
  const { [OWNER_LABELS.stack]: stack, [OWNER_LABELS.checkout]: checkout } = labels;
  return stack && checkout ? { kind: "stack", stack, checkout } : null;
}

/** The command that removes the containers of a project of Compose's, from any folder. */
export const composeDown = (project: string) => `docker compose --project-name ${project} down`;
