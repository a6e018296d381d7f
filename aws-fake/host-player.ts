/**
 * Plays the hosts' own scripts: once an instance runs and has the disk that its user data names, it formats it if it is
 * blank and it may, starts the container that the deployment parameter names, and says so in the ready record.
 */
import { AwsError } from "./aws-error.ts";
import type { Cloud } from "./cloud.ts";
import { TYPES } from "./facts.ts";
import { type Props, record, type Thing, text } from "./kind.ts";
import { attachVolume } from "./kinds/attachment.ts";
import { INSTANCE } from "./kinds/instance.ts";
import { getParameter, putParameter } from "./kinds/parameters.ts";
import { hasImage } from "./kinds/registry.ts";
import { VOLUME } from "./kinds/volume.ts";
import { hostEnvironment } from "./user-data.ts";

/** How hosts behave from now on. */
export interface Behaviour {
  readonly kind: "ready" | "failing" | "silent";
  /** The phase that it fails in, or never leaves. */
  readonly phase: string;
  readonly error: string;
  /** Milliseconds from the container's start to the first picture. */
  readonly delay: number;
}

const GOOD: Behaviour = { kind: "ready", phase: "loading", error: "", delay: 100 };
const TICK = 50;

export class HostPlayer {
  behaviour: Behaviour = GOOD;
  readonly #cloud: Cloud;
  readonly #timer: NodeJS.Timeout;
  /** When each host started the container of which deployment. */
  readonly #started = new Map<string, { deployment: string; at: number }>();
  readonly #settled = new Set<string>();
  readonly #written = new Map<string, string>();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
    this.#timer = setInterval(() => this.#tick(), TICK);
    // What a host has to react to may have come: until it has, nothing is settled.
    cloud.onChange(() => this.#settled.clear());
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  behave(change: Partial<Behaviour>): void {
    this.behaviour = { ...GOOD, ...change };
  }

  /** Whether nothing more is to come: one host runs, and has said how its container fares, or will never say anything. */
  get settled(): boolean {
    if (this.behaviour.kind === "silent") return true;
    const running = this.#cloud.all(INSTANCE).filter(({ props }) => props.instanceState === "running");
    return running.every(({ id }) => this.#settled.has(id));
  }

  #tick(): void {
    for (const host of this.#cloud.all(INSTANCE)) {
      const environment = host.props.instanceState === "running" ? hostEnvironment(host.props) : undefined;
      if (!environment) this.#started.delete(host.id);
      else this.#play(host, environment);
    }
  }

  #play(host: Thing, environment: ReadonlyMap<string, string>): void {
    if (this.behaviour.kind === "silent") return;
    if (environment.get("IMAGE_GEN_DEPLOYMENT")) {
      this.#work(host);
      return;
    }
    const prefix = environment.get("IMAGE_GEN_PARAMETERS") ?? "";
    const said = this.#evaluate(host, environment, `${prefix}/deployment`);
    if (said.phase === "ready" || said.phase === "failed") this.#settled.add(host.id);
    else this.#settled.delete(host.id);
    this.#write(host, `${prefix}/ready`, said);
  }

  /** A host of a fleet: it has a disk of its own, writes no status, and is not waited for. */
  #work(host: Thing): void {
    const type = text(host.props.instanceType);
    if (!this.#settled.has(host.id) && TYPES.get(type)?.instanceStoreGb === 0)
      this.#cloud.broke(`${host.label} is a ${type}, which has no instance store`);
    this.#settled.add(host.id);
  }

  #evaluate(host: Thing, environment: ReadonlyMap<string, string>, parameter: string): Props {
    const volume = this.#cloud.all(VOLUME).find(({ id }) => id === environment.get("IMAGE_GEN_VOLUME_ID"));
    if (environment.get("IMAGE_GEN_SELF_ATTACH") === "1" && volume) this.#attachOwn(host, volume);
    if (!volume || volume.props.__attachedTo !== host.id) {
      this.#started.delete(host.id);
      return { phase: "volume", log: ["waiting for the disk"] };
    }
    const refusal = this.#mount(host, volume, environment);
    if (refusal) return { phase: "failed", error: refusal, log: [refusal] };
    const deployment = this.#deployment(parameter);
    if (!deployment) return { phase: "starting", log: ["no deployment yet"] };
    return this.#containerOf(host, deployment);
  }

  #attachOwn(host: Thing, volume: Thing): void {
    if (text(volume.props.__attachedTo) !== "") return;
    try {
      attachVolume(this.#cloud, volume, host, "/dev/sdf");
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
    }
  }

  /** Why the disk is not used, or undefined. A blank one is formatted once; then its bytes are what they are. */
  #mount(host: Thing, volume: Thing, environment: ReadonlyMap<string, string>): string | undefined {
    if (text(volume.props.__bytes) !== "") return undefined;
    if (environment.get("IMAGE_GEN_FORMAT_IF_BLANK") !== "1") return `${volume.id} is blank and may not be formatted`;
    volume.props = { ...volume.props, __bytes: `formatted by ${host.label}, then a model` };
    return undefined;
  }

  #deployment(name: string): Props | undefined {
    try {
      return record(JSON.parse(text(getParameter(this.#cloud, name).value)));
    } catch {
      return undefined;
    }
  }

  #containerOf(host: Thing, deployment: Props): Props {
    const id = text(deployment.id);
    const image = text(deployment.image);
    if (!hasImage(this.#cloud, image))
      return { deployment: id, phase: "failed", error: `can't pull ${image}`, log: [] };
    const { kind, phase, error, delay } = this.behaviour;
    const running = this.#started.get(host.id);
    if (running?.deployment !== id) {
      this.#started.set(host.id, { deployment: id, at: performance.now() });
      return { deployment: id, phase: "pulling", log: [`pulling ${image}`] };
    }
    const model = text(record(deployment.environment).MODEL_ID);
    const ready = (state: Props) => ({ phase, error: null, model, ...PROGRESS, ...state });
    if (performance.now() - running.at < delay) return { deployment: id, phase, ready: ready({}), log: ["loading"] };
    if (kind === "failing") {
      const reason = { code: "MODEL_BROKEN", message: error, retryable: false };
      return { deployment: id, phase: "failed", error, ready: ready({ phase: "failed", error: reason }), log: [error] };
    }
    return { deployment: id, phase: "ready", ready: ready({ phase: "ready", device: "cuda" }), log: ["ready"] };
  }

  #write(host: Thing, name: string, said: Props): void {
    const value = { schema: 1, deployment: "", instance: host.id, ready: null, error: null, ...said };
    const text = JSON.stringify(value);
    if (this.#written.get(name) === text) return;
    this.#written.set(name, text);
    const dated = JSON.stringify({ ...value, at: new Date().toISOString() });
    putParameter(this.#cloud, name, dated, { overwrite: true, by: "host" });
  }
}

const PROGRESS = { bytes_done: 0, bytes_total: 0, eta_seconds: null, device: null, source: "volume" };
