import { commandFor } from "../../../core/command-line.ts";
import { type Check, fail, ok, unknown, warn } from "../../../doctor/check.ts";
import { classifyHostStatus } from "../host/host-status.ts";
import type { AwsFacts } from "./inspect.ts";

export function host({ host: lookup, stack, caller }: AwsFacts): Check[] {
  if (!caller.known) return [];
  if (!lookup.known) return [unknown("host", lookup.reason.message)];
  const found = lookup.value;
  if (!found) return [ok("host", `none yet: ${commandFor(stack, "up")}`)];
  const text = `${found.id}, ${found.type} (${found.market}) in ${found.zone}, ${found.state}`;
  if (found.state === "stopped") return [warn("host", `${text}.`, commandFor(stack, "start"))];
  return [ok("host", text)];
}

export function volume({ volume: lookup, host: hostLookup, stack, caller }: AwsFacts): Check[] {
  if (!caller.known) return [];
  if (!lookup.known) return [unknown("volume", lookup.reason.message)];
  const found = lookup.value;
  if (!found) return [];
  const text = `${found.id}, ${found.sizeGb} GB in ${found.zone}, ${found.state}`;
  const running = hostLookup.known && hostLookup.value?.state === "running" ? hostLookup.value : undefined;
  if (running && found.attachedTo !== running.id)
    return [fail("volume", `${text}, not attached to the host ${running.id}.`, commandFor(stack, "up"))];
  return [ok("volume", text)];
}

export function service({ hostStatus, host: lookup, stack, now }: AwsFacts): Check[] {
  const running = lookup.known && lookup.value?.state === "running" ? lookup.value : undefined;
  if (!running) return [];
  if (!hostStatus.known) return [unknown("service", hostStatus.reason.message)];
  const state = classifyHostStatus(hostStatus.value, { instance: running.id, now });
  if (state.kind === "ready") {
    const text = `ready, ${hostStatus.value?.ready?.model ?? "its model"}`;
    const error = hostStatus.value?.error;
    return [error ? warn("service", `${text}; ${error}`, commandFor(stack, "logs --host")) : ok("service", text)];
  }
  if (state.kind === "starting") return [ok("service", state.text)];
  const restart = state.kind === "no-response" ? [commandFor(stack, "stop"), commandFor(stack, "start")] : [];
  return [fail("service", `${state.text}.`, [commandFor(stack, "logs"), ...restart].join(", then "))];
}
