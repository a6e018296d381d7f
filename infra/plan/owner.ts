import { OWNER_LABELS } from "../contract.ts";

/** A stack, and the folder of the project that deploys it. */
export interface StackOwner {
  readonly stack: string;
  readonly checkout: string;
  /** Of a component, its name; the stack and the folder are those of its program. */
  readonly component?: string | undefined;
}

interface ComponentOwner {
  readonly kind: "component";
  readonly component: string;
  readonly stack: string;
  readonly checkout: string;
}

/** Who made a container: a stack of this program, a component of another one, or a project of Compose's. */
export type ContainerOwner =
  | { readonly kind: "stack"; readonly stack: string; readonly checkout: string }
  | ComponentOwner
  | { readonly kind: "compose"; readonly project: string; readonly folder: string | null };

export function ownerLabels({ stack, checkout, component }: StackOwner): Record<string, string> {
  const labels = { [OWNER_LABELS.stack]: stack, [OWNER_LABELS.checkout]: checkout };
  return component === undefined ? labels : { ...labels, [OWNER_LABELS.component]: component };
}

/** Null when no label says who made it. */
export function readOwner(labels: Readonly<Record<string, string>>): ContainerOwner | null {
  const project = labels["com.docker.compose.project"];
  if (project) return { kind: "compose", project, folder: labels["com.docker.compose.project.working_dir"] ?? null };
  const {
    [OWNER_LABELS.stack]: stack,
    [OWNER_LABELS.checkout]: checkout,
    [OWNER_LABELS.component]: component,
  } = labels;
  if (!stack || !checkout) return null;
  return component ? { kind: "component", component, stack, checkout } : { kind: "stack", stack, checkout };
}

/** The command that removes the containers of a project of Compose's, from any folder. */
export const composeDown = (project: string) => `docker compose --project-name ${project} down`;

/** A component's container is made again unless its program does without it. */
export const withoutComponent = ({ component, stack, checkout }: ComponentOwner) =>
  `remove ${component} from the program in ${checkout}, then pulumi up --stack ${stack} there`;
