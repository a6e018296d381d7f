import * as pulumi from "@pulumi/pulumi";

/** One resource that a program registered, with its inputs as the engine would get them. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  readonly options: Options;
}

/** The options of a resource that decide over data and replacement. */
interface Options {
  readonly parent: string;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  /** Longest time to make it, where that is set. */
  readonly createTimeout?: string;
}

export interface RunOptions {
  readonly config?: Readonly<Record<string, string>>;
  /** Keys of `config` that are secrets. */
  readonly secretKeys?: readonly string[];
  /** Custom resources then have no id, as in a real preview. */
  readonly preview?: boolean;
  /** What the provider's functions answer, by their token; an error is thrown. One that is not here fails the test. */
  readonly answers?: Readonly<Record<string, Record<string, unknown> | Error>>;
  /** What only the provider knows of a resource. */
  readonly outputs?: (resource: { readonly type: string; readonly name: string }) => Record<string, unknown>;
  /** A resource's id, where its name is not enough to tell it from others. */
  readonly idOf?: (resource: { readonly type: string; readonly name: string }) => string;
}

const PROJECT = "Picture-Perfect-Challenge";

/**
 * Runs a piece of a program against mocks and waits for all of it: what it returns, and every resource it registered.
 * Without the wait, the next run would be given what this one left over.
 */
export async function runProgram<T>(
  program: () => T | Promise<T>,
  { config = {}, secretKeys = [], preview = false, answers = {}, outputs = () => ({}), idOf }: RunOptions = {},
): Promise<{ result: T; resources: readonly Registered[] }> {
  const resources: Registered[] = [];
  const options = new Map<string, Options>();
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs, id }) {
        resources.push({ type, name, inputs: plain(inputs), options: options.get(`${type} ${name}`) ?? noOptions });
        const more = preview ? {} : { ...known(type), ...outputs({ type, name }) };
        // One that is only read has an id, whatever the provider says.
        return {
          id: id || (preview ? undefined : (idOf?.({ type, name }) ?? `${name}-id`)),
          state: { ...inputs, ...more },
        };
      },
      call({ token }) {
        const answer = answers[token];
        // As the engine passes it on.
        if (answer instanceof Error) throw Object.assign(answer, { details: answer.message });
        if (answer) return answer;
        throw new Error(`no test expects a call of ${token}`);
      },
    },
    PROJECT,
    "test",
    preview,
  );
  recordOptions(options);
  const namespaced = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value]);
  pulumi.runtime.setAllConfig(
    Object.fromEntries(namespaced),
    secretKeys.map((key) => `${PROJECT}:${key}`),
  );
  try {
    return { result: await program(), resources };
  } finally {
    await pulumi.runtime.disconnect();
  }
}

/** The resources of one type; fails the test when there isn't exactly one. */
export function theOnly(resources: readonly Registered[], type: string): Registered {
  const found = resources.filter((resource) => resource.type === type);
  if (found.length !== 1 || !found[0]) throw new Error(`expected one ${type}, got ${found.length}`);
  return found[0];
}

const noOptions: Options = {
  parent: "",
  protect: false,
  retainOnDelete: false,
  deleteBeforeReplace: false,
  ignoreChanges: [],
  replaceOnChanges: [],
};

interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProtect(): boolean | undefined;
  getRetainondelete(): boolean | undefined;
  getDeletebeforereplace(): boolean;
  getIgnorechangesList(): string[];
  getReplaceonchangesList(): string[];
  getCustomtimeouts(): { getCreate(): string } | undefined;
}

interface HookRequest {
  getName(): string;
}
type HookCall = (request: HookRequest, callback: (error: Error | null, response: object) => void) => void;

/** Mocks receive inputs alone; the options are in the request that the monitor gets. */
function recordOptions(options: Map<string, Options>): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerResource(request: Request, callback: unknown): Promise<void>;
    registerErrorHook?: HookCall;
    registerResourceHook?: HookCall;
  };
  Object.assign(monitor, { registerErrorHook: acceptHooks(), registerResourceHook: acceptHooks() });
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = async (request, callback) => {
    const createTimeout = request.getCustomtimeouts()?.getCreate();
    options.set(`${request.getType()} ${request.getName()}`, {
      parent: request.getParent().split("::").slice(-2).join("::"),
      protect: request.getProtect() ?? false,
      retainOnDelete: request.getRetainondelete() ?? false,
      deleteBeforeReplace: request.getDeletebeforereplace(),
      ignoreChanges: request.getIgnorechangesList(),
      replaceOnChanges: request.getReplaceonchangesList(),
      ...(createTimeout ? { createTimeout } : {}),
    });
    await register(request, callback);
  };
}

/** The mocks have no hooks; the engine has, one of a name. */
function acceptHooks(): HookCall {
  const names = new Set<string>();
  return (request, done) => {
    const name = request.getName();
    done(names.has(name) ? new Error(`a hook of the name "${name}" is registered already`) : null, {});
    names.add(name);
  };
}

/** What only the provider knows. */
function known(type: string): Record<string, unknown> {
  return type === "docker:index/remoteImage:RemoteImage" ? { imageId: "sha256:1234" } : {};
}

/** Secrets as `{ secret: value }`, so that a test sees which inputs are. */
function plain(inputs: Record<string, unknown>): Record<string, unknown> {
  return reveal(inputs) as Record<string, unknown>;
}

function reveal(value: unknown): unknown {
  if (pulumi.runtime.isRpcSecret(value)) return { secret: reveal(pulumi.runtime.unwrapRpcSecret(value)) };
  if (Array.isArray(value)) return value.map(reveal);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
}
