import { imagegenCommand } from "../command-line.ts";
import { OWNER_LABELS } from "../contract.ts";

/** Whose a container is: the labels that this program gives it. */
export interface Owner {
  readonly stack: string;
  /** The folder of the project that deployed it. */
  readonly checkout: string;
}

export function ownerLabels(owner: Owner): Record<string, string> {
  return { [OWNER_LABELS.stack]: owner.stack, [OWNER_LABELS.checkout]: owner.checkout };
}

/** By a container's labels, who made it, and the command there that removes it; null when no label tells. */
export function readOwner(labels: Readonly<Record<string, string>>): { who: string; remove: string } | null {
  const { [OWNER_LABELS.stack]: stack, [OWNER_LABELS.checkout]: checkout } = labels;
  if (stack && checkout) return { who: `the stack ${stack} of ${checkout}`, remove: imagegenCommand(stack, "down") };
  const project = labels["com.docker.compose.project"];
  if (!project) return null;
  const folder = labels["com.docker.compose.project.working_dir"];
  return { who: `Docker Compose${folder ? ` in ${folder}` : ` (project ${project})`}`, remove: "docker compose down" };
}
