import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, type Props, type Thing, text } from "../kind.ts";

/** Of a kind without rules of its own but these: a name for one, and nothing goes that another one names. */
export interface Plain {
  readonly token: string;
  /** The AWS calls that make, change and remove it. */
  readonly api: readonly [create: string, update: string, remove: string];
  readonly id: (cloud: Cloud, inputs: Props) => string;
  readonly replaces?: readonly string[];
  readonly name?: string;
  readonly taggable?: boolean;
  readonly defaults?: Props;
  readonly references?: Readonly<Record<string, string>>;
  /** What is known once it exists. */
  readonly outputs?: (cloud: Cloud, id: string, inputs: Props) => Props;
  /** Whether a second one of the same id is refused, or taken for the same. */
  readonly sameIdIs?: "refused" | "overwritten";
  /** What AWS calls the refusal. */
  readonly existsCode?: string;
  /** A rule of its own on what may be asked for. */
  readonly demand?: (cloud: Cloud, inputs: Props) => void;
  readonly beforeDelete?: (cloud: Cloud, thing: Thing, state: Props) => void;
}

/** An id of the usual form, by its prefix. */
export const id = (prefix: string) => (cloud: Cloud) => cloud.newId(prefix);
/** An input that is the id. */
export const by = (property: string) => (_: Cloud, inputs: Props) => text(inputs[property]);

export function plain(spec: Plain): Kind {
  const [createApi, updateApi, deleteApi] = spec.api;
  const outputs = spec.outputs ?? (() => ({}));
  return {
    token: spec.token,
    replaces: [...(spec.replaces ?? []), ...(spec.name ? [spec.name] : [])],
    ...(spec.name ? { nameProperty: spec.name } : {}),
    taggable: spec.taggable ?? true,
    ...(spec.defaults ? { defaults: spec.defaults } : {}),
    ...(spec.references ? { references: spec.references } : {}),
    computed: Object.keys(outputs(NOWHERE, "id", {})),
    create(cloud, wish) {
      const { __maxRetries, ...inputs } = wish;
      spec.demand?.(cloud, inputs);
      const key = spec.id(cloud, inputs);
      const there = cloud.all(spec.token).find((one) => one.id === key);
      if (there && spec.sameIdIs !== "overwritten")
        throw new AwsError(spec.existsCode ?? "AlreadyExists", `${key} already exists`);
      const thing = cloud.add(spec.token, key, { ...inputs, ...outputs(cloud, key, inputs) }, labelOf(spec, inputs));
      cloud.record(createApi, thing.label);
      return thing;
    },
    update(cloud, thing, news) {
      spec.demand?.(cloud, news);
      cloud.record(updateApi, thing.label);
    },
    delete(cloud, thing, state) {
      spec.beforeDelete?.(cloud, thing, state);
      cloud.remove(thing);
      cloud.record(deleteApi, thing.label);
    },
  };
}

function labelOf({ name }: Plain, inputs: Props): string | undefined {
  // A generated name ends in what nobody can foresee.
  return name && text(inputs[name]) !== "" ? text(inputs[name]).replace(/-[0-9a-f]{7}$/, "") : undefined;
}

/** A cloud that is asked for the names of outputs only. */
const NOWHERE = {
  region: "",
  zones: [],
  account: "",
  arn: () => "",
  newId: () => "",
  all: () => [],
  find: () => undefined,
  get: () => ({ kind: "", id: "", label: "", props: {} }),
} as unknown as Cloud;
