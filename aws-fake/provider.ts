import { setTimeout as sleep } from "node:timers/promises";
import { AwsError, wordCreate } from "./aws-error.ts";
import type { Cloud } from "./cloud.ts";
import { changedPaths, schemaPath } from "./diff.ts";
import type { TargetResource, Verb } from "./iam/call.ts";
import { demandAllowed } from "./iam/caller.ts";
import { callsOf, lookupCalls } from "./iam/calls.ts";
import { invoke } from "./invokes.ts";
import { type Kind, number, type Props, record, type Thing, text, texts } from "./kind.ts";
import { KINDS } from "./kinds/all.ts";
import { type Asked, type Changed, type Provider, UNKNOWN } from "./protocol.ts";

/** What the real provider asks again for, since AWS may not have seen it everywhere yet. */
const NOT_YET = /\.NotFound|NoSuchEntity|Invalid IAM Instance Profile/;
const LOOKS = 6;
/** What AWS deletes though others name it, or has a rule of its own for. */
const GOES_ANYWAY = /^aws:(kms|ebs|ec2\/instance)\b/;

/** The `aws` package: the engine's questions, put to the model of AWS. */
export class AwsProvider implements Provider {
  readonly version = "7.48.0";
  readonly #cloud: Cloud;
  readonly #kinds = new Map(KINDS.map((kind) => [kind.token, kind]));
  readonly #config = new Map<string, Props>();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
    cloud.teach(KINDS);
  }

  configure(peer: string, config: Props): void {
    this.#config.set(peer, config);
  }

  check({ type, name, peer }: Asked, news: Props, olds: Props): { inputs: Props; failures: string[] } {
    const kind = this.#kind(type);
    const inputs: Record<string, unknown> = { ...kind.defaults, ...news };
    const property = kind.nameProperty;
    if (property && inputs[property] === undefined && inputs[`${property}Prefix`] === undefined) {
      const kept = generated(olds, property) ? olds[property] : undefined;
      inputs[property] = kept ?? `${name}-${this.#cloud.newId("name").slice(-7)}`;
      inputs.__defaults = [property];
    }
    if (kind.taggable) {
      const defaults = record(record(parsed(this.#config.get(peer)?.defaultTags)).tags);
      if (inputs.tags !== UNKNOWN) inputs.tags = { ...defaults, ...record(inputs.tags) };
    }
    return { inputs, failures: [] };
  }

  diff({ type }: Asked, oldInputs: Props, news: Props, state: Props): Changed {
    const kind = this.#kind(type);
    const changes = changedPaths(oldInputs, news, state);
    const fixed = [...kind.replaces, ...(kind.alsoReplaces?.(news) ?? [])];
    const replaces = changes.filter((path) =>
      fixed.some((one) => schemaPath(path) === one || schemaPath(path).startsWith(`${one}.`)),
    );
    const name = kind.nameProperty;
    // Two of one name can't be there at once, as the bridge knows; a generated name is another one next time.
    const fixedName = name !== undefined && oldInputs[name] === news[name] && !generated(news, name);
    const deleteBeforeReplace = replaces.length > 0 && fixedName;
    return { changes, replaces, deleteBeforeReplace };
  }

  async create({ type, peer }: Asked, inputs: Props, preview: boolean): Promise<{ id: string; props: Props }> {
    const kind = this.#kind(type);
    if (preview) return { id: "", props: this.#planned(kind, inputs) };
    const wish = { ...inputs, __maxRetries: number(parsed(this.#config.get(peer)?.maxRetries), 25) };
    try {
      this.#failOnce(type);
      const refused = this.#cloud.knobs.refuses[type];
      if (refused instanceof AwsError) throw refused;
      const made = await this.#untilSeen(async () => {
        this.#cloud.demandReferences(kind, inputs);
        this.#demand("create", { type, id: "", props: inputs });
        return kind.create(this.#cloud, wish);
      });
      return { id: made.id, props: shown(made) };
    } catch (error) {
      throw error instanceof AwsError ? wordCreate(type, error) : error;
    }
  }

  async read(
    { type }: Asked,
    id: string,
    inputs: Props,
  ): Promise<{ id: string; props: Props; inputs: Props } | undefined> {
    const kind = this.#kind(type);
    const thing = this.#cloud.find(type, id);
    if (!thing) return undefined;
    this.#demand("read", thing);
    const props = shown(thing);
    // An import has no inputs yet: all that is not computed is one.
    const keys = Object.keys(inputs).length > 0 ? Object.keys(inputs) : Object.keys(props);
    const kept = keys.filter((key) => !kind.computed.includes(key) && props[key] !== undefined);
    const found = Object.fromEntries(kept.map((key) => [key, props[key]]));
    // Which names were generated is the bridge's to know, not AWS's.
    const generatedOnes = inputs.__defaults === undefined ? {} : { __defaults: inputs.__defaults };
    return { id: thing.id, props, inputs: { ...found, ...generatedOnes } };
  }

  async update({ type }: Asked, id: string, news: Props, olds: Props, state: Props, preview: boolean): Promise<Props> {
    const kind = this.#kind(type);
    if (preview) return { ...state, ...news };
    const thing = this.#cloud.get(type, id);
    this.#cloud.demandReferences(kind, news);
    this.#demand("update", { type, id: thing.id, props: thing.props, news });
    const before = thing.props;
    await kind.update(this.#cloud, thing, news, olds);
    const dropped = Object.keys(olds).filter((key) => !(key in news) && !kind.computed.includes(key));
    thing.props = { ...before, ...changedBy(before, thing.props), ...news };
    thing.props = Object.fromEntries(Object.entries(thing.props).filter(([key]) => !dropped.includes(key)));
    return shown(thing);
  }

  async delete({ type }: Asked, id: string, state: Props): Promise<void> {
    const kind = this.#kind(type);
    const thing = this.#cloud.all(type).find((one) => one.id === id);
    // Gone already: the provider takes it for done.
    if (!thing) return;
    this.#demand("delete", thing);
    const users = this.#cloud.usersOf(thing).filter((user) => text(user.props.instanceState) !== "terminated");
    if (users.length > 0 && !GOES_ANYWAY.test(type)) {
      const names = users.map((user) => user.label).join(", ");
      throw new AwsError("DependencyViolation", `${thing.label} (${id}) has a dependent object: ${names}`);
    }
    await kind.delete(this.#cloud, thing, state);
  }

  async invoke(token: string, args: Props): Promise<Props> {
    if (this.#cloud.knobs.caller !== null) demandAllowed(this.#cloud, lookupCalls(this.#cloud, token, args));
    return invoke(this.#cloud, token, args);
  }

  /** What the provider would ask AWS for must be allowed to the caller. */
  #demand(verb: Verb, { id, props, ...others }: TargetResource | Thing): void {
    if (this.#cloud.knobs.caller === null) return;
    const target = "kind" in others ? { type: others.kind, id, props } : { ...others, id, props };
    demandAllowed(this.#cloud, callsOf(this.#cloud, verb, target));
  }

  #kind(type: string): Kind {
    const kind = this.#kinds.get(type);
    if (!kind) throw new Error(`the fake of AWS has no ${type}: add it to aws-fake/kinds`);
    return kind;
  }

  #planned(kind: Kind, inputs: Props): Props {
    return { ...Object.fromEntries(kind.computed.map((name) => [name, UNKNOWN])), ...inputs };
  }

  #failOnce(type: string): void {
    const { failNext } = this.#cloud.knobs;
    if (!failNext.includes(type)) return;
    this.#cloud.knobs = { ...this.#cloud.knobs, failNext: failNext.filter((one) => one !== type) };
    throw new AwsError("RequestTimeout", "the connection was lost (asked for by the test)");
  }

  /** As the real provider: asks again while AWS has not seen everywhere what was made a moment ago. */
  async #untilSeen<T>(work: () => Promise<T>): Promise<T> {
    for (let look = 1; ; look += 1) {
      try {
        return await work();
      } catch (error) {
        if (look === LOOKS || !(error instanceof AwsError) || !NOT_YET.test(error.message)) throw error;
        await sleep(5);
      }
    }
  }
}

function generated(inputs: Props, property: string): boolean {
  return texts(inputs.__defaults).includes(property);
}

/** Internals start with two underscores. */
function shown({ props }: Thing): Props {
  const tags = props.tags === undefined ? {} : { tagsAll: props.tags };
  return { ...Object.fromEntries(Object.entries(props).filter(([key]) => !key.startsWith("__"))), ...tags };
}

/** What an update's own work wrote, such as a new version. */
function changedBy(before: Props, after: Props): Props {
  return Object.fromEntries(Object.entries(after).filter(([key, value]) => before[key] !== value));
}

/** A provider's config comes as JSON text where it is not a string. */
function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
