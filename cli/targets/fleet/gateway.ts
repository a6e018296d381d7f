import { commandFor, notRunning } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, type ErrorDetail, EXIT } from "../../core/exit.ts";
import { type ContainerService, openEcs } from "../aws/client/ecs.ts";
import type { Connection, FleetStatus } from "../target.ts";
import { type FleetStack, openFleet } from "./fleet-stack.ts";

type GatewayStatus = NonNullable<FleetStatus["gateway"]>;

/** The gateway as ECS has it, and why it has fewer tasks than it is to have; null without one. Errors are the SDK's own. */
export async function readGateway({
  name: stack,
  client,
  gateway,
}: Pick<FleetStack, "name" | "client" | "gateway">): Promise<{
  readonly status: GatewayStatus;
  readonly problem: ErrorDetail | null;
} | null> {
  if (gateway === null) return null;
  const service = await (await openEcs(client)).service(gateway.cluster, gateway.service);
  if (service === null) {
    const message = `gateway: the service ${gateway.service} does not exist any more.`;
    return { status: { desired: 0, running: 0 }, problem: { message, fix: commandFor(stack, "up") } };
  }
  const { desired, running } = service;
  return { status: { desired, running }, problem: gatewayProblem(stack, service) };
}

/** Null where all tasks run, or are about to. */
export function gatewayProblem(stack: string, service: ContainerService): ErrorDetail | null {
  const { desired, running, deployments, events } = service;
  const failed = deployments.find(({ rollout }) => rollout === "FAILED");
  const isEarlier = deployments.some(({ status, rollout }) => status === "PRIMARY" && rollout === "COMPLETED");
  const fix = `${commandFor(stack, "logs --container")}, then ${commandFor(stack, "up")}`;
  if (failed && !isEarlier) return { message: `gateway: its tasks do not start: ${failed.reason}`, fix };
  if (running >= desired) return null;
  const trouble = events.find(({ message }) => TROUBLE.test(message));
  if (!trouble) return null;
  return { message: `gateway: ${running} of ${desired} tasks run: ${trouble.message}`, fix };
}

/** ECS's own sentences: "(service x) was unable to place a task …", "… failed container health checks". */
const TROUBLE = /unable to|failed|unhealthy/;

/** The gateway's address, which needs no tunnel. */
export async function openGateway(context: Context): Promise<Connection> {
  const { name } = context.files;
  const { gateway } = await openFleet(context);
  if (gateway !== null) return { url: gateway.url, close: () => {} };
  if (context.files.settings("fleet").gatewayCount > 0)
    throw notRunning(name, `The gateway of ${name} is not deployed.`);
  const fix = `${commandFor(name, "up --config gatewayCount=2")}; without one, send jobs to the queue: docs/guides/fleet.md`;
  throw new CliError({ message: `open: the fleet ${name} has no gateway, and so no address.`, fix }, EXIT.usage);
}
