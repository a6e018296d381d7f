import { existsSync } from "node:fs";
import { composeDown, readOwner, withoutComponent } from "../../infra/plan/owner.ts";
import { commandFor } from "../core/command-line.ts";
import type { ErrorDetail } from "../core/exit.ts";
import type { Container } from "./docker.ts";

/**
 * Whether the labels of a container say that another than this stack made it. One without labels may be ours, and so may
 * one of a checkout that is no longer there: this one, before it was moved.
 */
export function isForeign({ labels }: Pick<Container, "labels">, own: { stack: string; root: string }): boolean {
  const owner = readOwner(labels);
  if (owner?.kind !== "stack") return owner !== null;
  return owner.stack !== own.stack || (owner.checkout !== own.root && existsSync(owner.checkout));
}

/** Who made a container that is not this stack's, and the command that removes it; its volume stays. */
export function describeOwner({ name, labels }: Pick<Container, "name" | "labels">, root: string): ErrorDetail {
  const owner = readOwner(labels);
  if (owner === null)
    return { message: `The container ${name} was not made by this checkout.`, fix: `docker rm --force ${name}` };
  if (owner.kind === "compose") {
    const place = owner.folder === null ? "" : ` in ${owner.folder}`;
    const message = `The container ${name} was made by Docker Compose (project ${owner.project}${place}).`;
    return { message, fix: composeDown(owner.project) };
  }
  if (owner.kind === "component") {
    const message = `The container ${name} belongs to the component ${owner.component} of the program in ${owner.checkout}.`;
    return { message, fix: withoutComponent(owner) };
  }
  const { stack, checkout } = owner;
  const elsewhere = checkout === root ? "" : `cd ${checkout} && `;
  const where = checkout === root ? "of this checkout" : `of the checkout ${checkout}`;
  return {
    message: `The container ${name} belongs to the stack ${stack} ${where}.`,
    fix: `${elsewhere}${commandFor(stack, "down")}`,
  };
}
