import { AwsError } from "./aws-error.ts";
import { AMIS, type Ami, PUBLIC_PARAMETERS, ZONE_LETTERS } from "./facts.ts";
import type { Kind, Props, Thing } from "./kind.ts";
import { text } from "./kind.ts";

/** What a test may set: how this account, and this day in the region, are. */
export interface Knobs {
  /** vCPUs of G and VT instances, on demand and spot: L-DB2E81BA and its spot twin. */
  readonly vcpuQuota: number;
  readonly spotVcpuQuota: number;
  /** Whether EC2 has no capacity for such an instance now. */
  readonly noCapacity: (wish: { type: string; zone: string; market: string }) => boolean;
  /** How many look-ups of a fresh thing do not find it yet. */
  readonly lag: number;
  /** How many reads of a parameter still give the value before the last write. */
  readonly staleReads: number;
  /** Whether a volume can be modified four times in 24 hours only, as in real life. */
  readonly volumeCooldown: boolean;
  /** Amazon's public parameters, such as the newest image's id. */
  readonly released: ReadonlyMap<string, string>;
  /** The provider's next create of this kind fails once, in the middle of an update. */
  readonly failNext: readonly string[];
  /** Roles of AWS's own that the account does not have yet, since it never used their service. */
  readonly missingRoles: readonly string[];
  /** Creates of these kinds are refused, with this code and sentence of AWS's, or with this whole text of docker-build's. */
  readonly refuses: Readonly<Record<string, AwsError | string>>;
  /** The role whose policies decide what the provider may do; null: an administrator, who may do all. */
  readonly caller: string | null;
}

/** One call that changed something, in order. */
export interface Call {
  readonly api: string;
  /** What it was about: "host 1", "Volume 1 from host 1", a name. */
  readonly target: string;
}

const PATIENT: Knobs = {
  vcpuQuota: 64,
  spotVcpuQuota: 64,
  noCapacity: () => false,
  lag: 0,
  staleReads: 0,
  volumeCooldown: false,
  released: PUBLIC_PARAMETERS,
  failNext: [],
  missingRoles: [],
  refuses: {},
  caller: null,
};

/** An id that `newId` made. */
const GENERATED = /^(\w+)-0a1b2c3d4e5([0-9a-f]{6})$/;

/** What exists in the account, what was called, and which rules were broken. */
export class Cloud {
  readonly region: string;
  readonly zones: readonly string[];
  /** Machine images that can be started. */
  readonly images: Ami[] = [...AMIS];
  readonly account = "123456789012";
  knobs: Knobs;
  readonly calls: Call[] = [];
  /** What AWS allows and nobody may do: each a sentence. */
  readonly broken: string[] = [];
  /** Seconds that the provider would have spent on silent retries. */
  silentSeconds = 0;
  readonly #things = new Map<string, Thing>();
  readonly #unseen = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #kinds = new Map<string, Kind>();
  readonly #listeners: (() => void)[] = [];

  constructor(knobs: Partial<Knobs> = {}, region = "us-east-1") {
    this.region = region;
    this.zones = ZONE_LETTERS.map((letter) => region + letter);
    this.knobs = { ...PATIENT, ...knobs };
  }

  /** The schema of what can exist; things of other kinds are nothing this account knows. */
  teach(kinds: readonly Kind[]): void {
    for (const kind of kinds) this.#kinds.set(kind.token, kind);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  record(api: string, target: string): void {
    this.calls.push({ api, target });
    for (const listener of this.#listeners) listener();
  }

  /** What was called since the `mark`-th call, one line each: "StopInstances host 1". */
  story(mark = 0): string[] {
    return this.calls.slice(mark).map(({ api, target }) => `${api} ${target}`);
  }

  broke(rule: string): void {
    this.broken.push(rule);
  }

  /** `vol-0…`: as long as AWS's, and in order of making. */
  newId(prefix: string): string {
    return `${prefix}-0a1b2c3d4e5${this.#count(prefix).toString(16).padStart(6, "0")}`;
  }

  arn(service: string, resource: string): string {
    const region = service === "iam" || service === "s3" ? "" : this.region;
    return `arn:aws:${service}:${region}:${this.account}:${resource}`;
  }

  add(kind: string, id: string, props: Props, label?: string): Thing {
    const thing: Thing = { kind, id, label: label ?? `${noun(kind)} ${this.#count(kind)}`, props };
    this.#things.set(`${kind} ${id}`, thing);
    if (this.knobs.lag > 0) this.#unseen.set(`${kind} ${id}`, this.knobs.lag);
    return thing;
  }

  /** An account as it was written down: what is made from now on gets other ids and labels. */
  restore(things: readonly Thing[]): void {
    for (const thing of things) {
      const [, prefix = "", last = "0"] = GENERATED.exec(thing.id) ?? [];
      this.#counts.set(prefix, Math.max(this.#counts.get(prefix) ?? 0, Number.parseInt(last, 16)));
      this.#count(thing.kind);
      this.#things.set(`${thing.kind} ${thing.id}`, { ...thing });
    }
  }

  remove(thing: Thing): void {
    this.#things.delete(`${thing.kind} ${thing.id}`);
  }

  all(kind: string): Thing[] {
    return [...this.#things.values()].filter((thing) => thing.kind === kind);
  }

  /** Everything that there is. */
  inventory(): Thing[] {
    return [...this.#things.values()];
  }

  /** By id, name or ARN; a fresh one may not be found at first. */
  find(kind: string, key: string): Thing | undefined {
    const thing = this.all(kind).find((one) => isCalled(one, key));
    if (!thing) return undefined;
    const unseen = this.#unseen.get(`${kind} ${thing.id}`) ?? 0;
    this.#unseen.set(`${kind} ${thing.id}`, Math.max(0, unseen - 1));
    return unseen > 0 ? undefined : thing;
  }

  get(kind: string, key: string): Thing {
    const thing = this.find(kind, key);
    if (!thing) throw new AwsError(`Invalid${noun(kind)}.NotFound`, `The ${noun(kind)} '${key}' does not exist`);
    return thing;
  }

  /** Everything whose inputs name this thing. */
  usersOf(thing: Thing): Thing[] {
    return [...this.#things.values()].filter((other) => {
      const references = this.#kinds.get(other.kind)?.references ?? {};
      return Object.entries(references).some(
        ([property, kind]) => kind === thing.kind && named(other.props[property]).some((key) => isCalled(thing, key)),
      );
    });
  }

  /** All that the inputs name must be there. */
  demandReferences(kind: Kind, inputs: Props): void {
    for (const [property, other] of Object.entries(kind.references ?? {})) {
      for (const key of named(inputs[property])) this.get(other, key);
    }
  }

  #count(what: string): number {
    const next = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, next);
    return next;
  }
}

function named(value: unknown): readonly string[] {
  if (typeof value === "string") return value === "" ? [] : [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function isCalled({ id, props }: Thing, key: string): boolean {
  return id === key || props.name === key || props.arn === key || (text(props.keyId) === key && key !== "");
}

/** `Volume` of `aws:ebs/volume:Volume`. */
function noun(kind: string): string {
  return kind.split(":").at(-1) ?? kind;
}
