import { type KnownPrice, measurePictureUse, type PictureUse } from "../../../../infra/plan/prices/picture-use.ts";
import { priceOf, TABLE_PRICES } from "../../../../infra/plan/prices/prices.ts";
import { type HostStatus, heartbeatAgeSeconds } from "../../../../infra/readiness/host-status.ts";
import { describeState } from "../../../../infra/readiness/progress.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import type { HostInfo, StatusResult } from "../../target.ts";
import { toCliError } from "../client/errors.ts";
import { classifyHostStatus } from "../host/host-status.ts";
import { findHost, openStack, readHostStatus } from "../stack/stack.ts";

export async function awsStatus(context: Context): Promise<StatusResult> {
  const stack = await openStack(context);
  const { name, client, state, ec2 } = stack;
  const findVolume = async () => {
    try {
      return state.volumeId === null ? undefined : await ec2.volume(state.volumeId);
    } catch (error) {
      throw toCliError(error, `looking up the volume of the stack ${name}`);
    }
  };
  const [host, volume, status] = await Promise.all([findHost(stack), findVolume(), readHostStatus(stack)]);
  const now = Date.now();
  const running = host?.state === "running";
  const own = running && status?.instance === host.id ? status : null;
  const ready = own?.ready ?? null;
  return {
    stack: name,
    mode: "aws",
    running,
    url: state.url,
    ready,
    pictures: own && host ? pictureUse(own, hostPrice(host, client.region)) : null,
    state: running ? stateLine(status, host.id, now) : stoppedLine(name, host?.state),
    cacheBytes: null,
    region: client.region,
    host: host ?? null,
    volume: volume ?? null,
    heartbeatSeconds: status ? Math.round(heartbeatAgeSeconds(status, now)) : null,
  };
}

/** Until the heartbeat: the usage is as old as that. */
export function pictureUse(
  { ready, at }: Pick<HostStatus, "ready" | "at">,
  price: KnownPrice | null,
): PictureUse | null {
  const written = Date.parse(at);
  return ready?.usage && !Number.isNaN(written) ? measurePictureUse(ready.usage, price, written) : null;
}

/** Of the table: only the plan looks up current prices. */
function hostPrice({ type, market }: Pick<HostInfo, "type" | "market">, region: string): KnownPrice | null {
  const price = priceOf(TABLE_PRICES, market, type, region);
  return price && { usdPerHour: price.usdPerHour, source: `${type}, ${market}, ${price.region}: ${price.source}` };
}

function stateLine(status: HostStatus | null, instance: string, now: number): string {
  const state = classifyHostStatus(status, { instance, now });
  const isStarting = state.kind === "ready" || state.kind === "starting";
  if (isStarting && status?.ready) {
    const { text } = describeState(status.ready);
    // The service is ready; something else of the host is not as it should be.
    return status.error ? `${text}; ${status.error}` : text;
  }
  return state.kind === "ready" ? "ready" : state.text;
}

function stoppedLine(stack: string, state: string | undefined): string {
  if (state === undefined) return `no host: ${commandFor(stack, "up")}`;
  return state === "stopped" ? `the host is stopped: ${commandFor(stack, "start")}` : `the host is ${state}`;
}
