import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { formatSeconds } from "../../../../infra/units.ts";
import { type Refusal, refusalIn } from "./launch-errors.ts";

/** Resources whose making is a request for a host. */
const HOSTS = ["aws:ec2/instance:Instance", "aws:autoscaling/group:Group"];
const MAKING = ["create", "create-replacement"];

/** A host is there within a minute or two. Seconds until the user is told, and until it is given up. */
const TELL_S = 120;
const GIVE_UP_S = 720;

/**
 * Watches Pulumi's run for a host that does not come. A refusal for capacity can look like a long wait: the provider asks
 * again and again without a word. So the wait is told, and ended.
 */
export class LaunchWatch {
  readonly #cancel = new AbortController();
  readonly #waiting = new Map<string, NodeJS.Timeout[]>();
  readonly #tell: (line: string) => void;
  readonly #limits: { readonly tell: number; readonly giveUp: number };
  #refusal: Refusal | undefined;

  constructor(tell: (line: string) => void, limits = { tell: TELL_S, giveUp: GIVE_UP_S }) {
    this.#tell = tell;
    this.#limits = limits;
  }

  /** Aborted when the wait for a host is given up. */
  get signal(): AbortSignal {
    return this.#cancel.signal;
  }

  /** Why there is no host; undefined when the run failed for another reason, or did not. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  readonly onEvent = (event: EngineEvent): void => {
    const begun = event.resourcePreEvent?.metadata;
    if (begun && HOSTS.includes(begun.type) && MAKING.includes(begun.op)) this.#wait(begun.urn);
    const ended = event.resOutputsEvent?.metadata ?? event.resOpFailedEvent?.metadata;
    if (ended) this.#end(ended.urn);
    const { severity, message } = event.diagnosticEvent ?? {};
    if (severity === "error" && message) this.#refusal ??= refusalIn(message);
  };

  stop(): void {
    for (const urn of this.#waiting.keys()) this.#end(urn);
  }

  #wait(urn: string): void {
    this.#end(urn);
    const { tell, giveUp } = this.#limits;
    const first = setTimeout(() => {
      const rest = formatSeconds(giveUp - tell);
      this.#tell(`No host after ${formatSeconds(tell)}: AWS may have none. Given up in ${rest}.`);
    }, tell * 1000);
    const last = setTimeout(() => {
      this.#refusal ??= { kind: "silence", code: `nothing within ${formatSeconds(giveUp)}` };
      this.#cancel.abort(new Error("no host"));
    }, giveUp * 1000);
    this.#waiting.set(urn, [first, last]);
  }

  #end(urn: string): void {
    for (const timer of this.#waiting.get(urn) ?? []) clearTimeout(timer);
    this.#waiting.delete(urn);
  }
}
