import { existsSync } from "node:fs";
import { OWNER_LABELS } from "../../infra/contract.ts";
import { commandFor } from "../core/command-line.ts";
import type { ErrorDetail } from "../core/exit.ts";
import type { Container } from "./docker.ts";

const { stack: STACK, checkout: CHECKOUT } = OWNER_LABELS;
/** Labels that Compose gives one. */
const COMPOSE_PROJECT = "com.docker.compose.project";
const COMPOSE_FOLDER = "com.docker.compose.project.working_dir";

/**
 * Whether the labels of a container say that another than this stack made it. One without labels may be ours, and so may
 * one of a checkout that is no longer there: this one, before it was moved.
 */
export function isForeign({ labels }: Pick<Container, "labels">, own: { stack: string; root: string }): boolean {
  if (labels[COMPOSE_PROJECT]) return true;
  const [stack, checkout] = [labels[STACK], labels[CHECKOUT]];
  if (!stack || !checkout) return false;
  return stack !== own.stack || (checkout !== own.root && existsSync(checkout));
}

/** Who made a container that is not this stack's, and the command that removes it; its volume stays. */
export function describeOwner({ name, labels }: Pick<Container, "name" | "labels">, root: string): ErrorDetail {
  const project = labels[COMPOSE_PROJECT];
  if (project) {
    const folder = labels[COMPOSE_FOLDER];
    const message = `The container ${name} was made by Docker Compose (project ${project}${folder ? ` in ${folder}` : ""}).`;
    return { message, fix: `docker compose --project-name ${project} down` };
  }
  const [stack, checkout] = [labels[STACK], labels[CHECKOUT]];
  if (stack && checkout) {
    const elsewhere = checkout === root ? "" : `cd ${checkout} && `;
    const where = checkout === root ? "of this checkout" : `of the checkout ${checkout}`;
    return {
      message: `The container ${name} belongs to the stack ${stack} ${where}.`,
      fix: `${elsewhere}${commandFor(stack, "down")}`,
    };
  }
  const message = `The container ${name} was not made by this checkout.`;
  return { message, fix: `docker rm --force ${name}` };
}
