import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { findLaunchError, type LaunchError } from "../../../../infra/plan/aws/launch-errors.ts";
import { formatSeconds } from "../../../../infra/units.ts";

/** Resources that launch a host. */
const HOSTS = ["aws:ec2/instance:Instance", "aws:autoscaling/group:Group"];
const CREATES = ["create", "create-replacement"];

/** A launch takes a minute or two. Seconds until a warning, and until the run is cancelled. */
const WARN_S = 120;
const TIMEOUT_S = 720;

/**
 * Ends a run of Pulumi whose host does not launch. Without capacity the provider retries for a long time and reports
 * nothing.
 */
export class LaunchTimeout {
  readonly #cancel = new AbortController();
  readonly #waiting = new Map<string, NodeJS.Timeout[]>();
  readonly #log: (line: string) => void;
  readonly #limits: { readonly warn: number; readonly timeout: number };
  #error: LaunchError | undefined;

  constructor(log: (line: string) => void, limits = { warn: WARN_S, timeout: TIMEOUT_S }) {
    this.#log = log;
    this.#limits = limits;
  }

  /** Aborted on timeout. */
  get signal(): AbortSignal {
    return this.#cancel.signal;
  }

  /** Why the host was not launched; undefined when the run succeeded or failed for another reason. */
  get error(): LaunchError | undefined {
    return this.#error;
  }

  readonly onEvent = (event: EngineEvent): void => {
    const begun = event.resourcePreEvent?.metadata;
    if (begun && HOSTS.includes(begun.type) && CREATES.includes(begun.op)) this.#wait(begun.urn);
    const ended = event.resOutputsEvent?.metadata ?? event.resOpFailedEvent?.metadata;
    if (ended) this.#end(ended.urn);
    const { severity, message } = event.diagnosticEvent ?? {};
    if (severity === "error" && message) this.#error ??= findLaunchError(message);
  };

  stop(): void {
    for (const urn of this.#waiting.keys()) this.#end(urn);
  }

  #wait(urn: string): void {
    this.#end(urn);
    const { warn, timeout } = this.#limits;
    const warning = setTimeout(() => {
      const rest = formatSeconds(timeout - warn);
      this.#log(`No host after ${formatSeconds(warn)}: AWS may have no capacity. Timeout in ${rest}.`);
    }, warn * 1000);
    const end = setTimeout(() => {
      this.#error ??= { kind: "capacity", code: `not within ${formatSeconds(timeout)}` };
      this.#cancel.abort(new Error("no host"));
    }, timeout * 1000);
    this.#waiting.set(urn, [warning, end]);
  }

  #end(urn: string): void {
    for (const timer of this.#waiting.get(urn) ?? []) clearTimeout(timer);
    this.#waiting.delete(urn);
  }
}
