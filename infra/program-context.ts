import type * as pulumi from "@pulumi/pulumi";
import type { Secrets } from "./config/load.ts";
import { SERVICE_NAME } from "./contract.ts";
import type { Fixes } from "./fixes.ts";
import type { StackOwner } from "./plan/owner.ts";

/** What the program hands to a target beside its settings. */
export interface ProgramContext {
  /** What the names of resources start with. */
  readonly name: string;
  readonly stack: string;
  /** The project's folder. */
  readonly checkout: string;
  readonly preview: boolean;
  readonly secrets: Secrets;
  readonly fixes: Fixes;
  /** Shows a line of progress. */
  readonly report: (line: string) => void;
  /** Absent for the checkout's own program, whose resources have no parent and whose files are in its folder. */
  readonly component?: ComponentContext;
}

/** What differs where the resources are a component's, in the program of another project. */
interface ComponentContext {
  /** The component, or what else every resource has in common. */
  readonly opts: pulumi.ComponentResourceOptions;
  /** Whose container it is. */
  readonly owner: StackOwner;
  /** Folder with the service's sources, as the providers of the project see it. */
  readonly imageGen: string;
  /** A Dockerfile in place of the one in `imageGen`. */
  readonly dockerfile: string | null;
}

/** Where the service's sources are, and where a build of the image leaves its log and its secrets. */
export function buildPlaces({ name, component }: Pick<ProgramContext, "name" | "component">) {
  const isolated = component ? `/${name}` : "";
  return {
    context: component?.imageGen ?? SERVICE_NAME,
    dockerfile: component?.dockerfile ?? null,
    logFile: `.imagegen/logs${isolated}/image-build.log`,
    secretsFolder: `.imagegen/build-secrets${isolated}`,
    manifests: `${component?.imageGen ?? SERVICE_NAME}/models`,
  };
}
