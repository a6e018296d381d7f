import type { Finding } from "../../../doctor/checks.ts";
import { judgeRecord } from "../host/host-status.ts";
import type { AwsFacts } from "./inspect.ts";
import { finding, unknown } from "./results.ts";

export function host({ host: known, stack, caller }: AwsFacts): Finding[] {
  if (!caller.ok) return [];
  if (!known.known) return [unknown("host", known.why)];
  const found = known.value;
  if (!found) return [finding("ok", "host", `none yet: imagegen up --stack ${stack}`)];
  const text = `${found.id}, ${found.type} (${found.market}) in ${found.zone}, ${found.state}`;
  if (found.state === "stopped") return [finding("warn", "host", `${text}.`, `imagegen start --stack ${stack}`)];
  return [finding("ok", "host", text)];
}

export function volume({ volume: known, host: knownHost, stack, caller }: AwsFacts): Finding[] {
  if (!caller.ok) return [];
  if (!known.known) return [unknown("volume", known.why)];
  const found = known.value;
  if (!found) return [];
  const text = `${found.id}, ${found.sizeGb} GB in ${found.zone}, ${found.state}`;
  const at = knownHost.known ? knownHost.value : undefined;
  if (at?.state === "running" && found.attachedTo !== at.id)
    return [finding("fail", "volume", `${text}, not attached to the host ${at.id}.`, `imagegen up --stack ${stack}`)];
  return [finding("ok", "volume", text)];
}

export function service({ record, host: known, stack, now }: AwsFacts): Finding[] {
  const running = known.known && known.value?.state === "running" ? known.value : undefined;
  if (!running) return [];
  if (!record.known) return [unknown("service", record.why)];
  const verdict = judgeRecord(record.value, { instance: running.id, now });
  if (verdict.kind === "ready")
    return [finding("ok", "service", `ready, ${record.value?.ready?.model ?? "its model"}`)];
  if (verdict.kind === "working") return [finding("ok", "service", verdict.text)];
  const mend = `imagegen logs --stack ${stack}`;
  return [
    finding(
      "fail",
      "service",
      `${verdict.text}.`,
      verdict.kind === "silent" ? `${mend}; then imagegen stop and imagegen start` : mend,
    ),
  ];
}
