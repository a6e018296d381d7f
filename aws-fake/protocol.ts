/** The provider protocol's gRPC side, without a word about AWS. */
import { createRequire } from "node:module";
import type { Props } from "./kind.ts";

// The stubs that come with the SDK, with the very gRPC and protobuf that they were written for.
const here = createRequire(import.meta.url);
const ofPulumi = createRequire(here.resolve("@pulumi/pulumi/package.json"));
const grpc = ofPulumi("@grpc/grpc-js") as GrpcLibrary;
const { Struct } = ofPulumi("google-protobuf/google/protobuf/struct_pb.js") as { Struct: StructType };
const { Empty } = ofPulumi("google-protobuf/google/protobuf/empty_pb.js") as { Empty: new () => object };
const { ResourceProviderService } = ofPulumi("./proto/provider_grpc_pb.js") as { ResourceProviderService: object };
const messages = ofPulumi("./proto/provider_pb.js") as typeof import("@pulumi/pulumi/proto/provider_pb.js");
const { PluginInfo } = ofPulumi("./proto/plugin_pb.js") as typeof import("@pulumi/pulumi/proto/plugin_pb.js");

/** What stands for a value that is only known once it exists. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export interface Asked {
  readonly type: string;
  readonly name: string;
  /** The connection that asked: every provider resource of a program has one of its own. */
  readonly peer: string;
}

export interface Changed {
  readonly replaces: readonly string[];
  readonly changes: readonly string[];
  readonly deleteBeforeReplace: boolean;
}

/** A provider, in plain values. A refusal is thrown. */
export interface Provider {
  readonly version: string;
  configure(peer: string, config: Props): void;
  check(asked: Asked, news: Props, olds: Props): { inputs: Props; failures: readonly string[] };
  diff(asked: Asked, oldInputs: Props, news: Props, state: Props): Changed;
  create(asked: Asked, inputs: Props, preview: boolean): Promise<{ id: string; props: Props }>;
  read(asked: Asked, id: string, inputs: Props): Promise<{ id: string; props: Props; inputs: Props } | undefined>;
  update(asked: Asked, id: string, news: Props, olds: Props, state: Props, preview: boolean): Promise<Props>;
  delete(asked: Asked, id: string, state: Props): Promise<void>;
  invoke(token: string, args: Props): Promise<Props>;
}

export class ProviderServer {
  readonly #server: GrpcServer;
  readonly port: number;

  private constructor(server: GrpcServer, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(provider: Provider): Promise<ProviderServer> {
    const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
    server.addService(ResourceProviderService, handlers(provider));
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return new ProviderServer(server, port);
  }

  async stop(): Promise<void> {
    this.#server.forceShutdown();
  }
}

function handlers(provider: Provider): Record<string, Handler> {
  return {
    getPluginInfo: answer(() => {
      const info = new PluginInfo();
      info.setVersion(provider.version);
      return info;
    }),
    attach: answer(() => new Empty()),
    cancel: answer(() => new Empty()),
    checkConfig: answer(({ request }) => {
      const response = new messages.CheckResponse();
      response.setInputs(request.getNews?.() as never);
      return response;
    }),
    diffConfig: answer(() => new messages.DiffResponse()),
    configure: answer(({ request, getPeer }) => {
      provider.configure(getPeer(), plain(request.getArgs?.()));
      const response = new messages.ConfigureResponse();
      response.setSupportspreview(true);
      return response;
    }),
    invoke: answer(async ({ request }) => {
      const response = new messages.InvokeResponse();
      response.setReturn(struct(await provider.invoke(request.getTok?.() ?? "", plain(request.getArgs?.()))) as never);
      return response;
    }),
    check: answer((call) => {
      const { request } = call;
      const checked = provider.check(asked(call), plain(request.getNews?.()), plain(request.getOlds?.()));
      const response = new messages.CheckResponse();
      response.setInputs(struct(checked.inputs) as never);
      for (const reason of checked.failures) {
        const failure = new messages.CheckFailure();
        failure.setReason(reason);
        response.addFailures(failure);
      }
      return response;
    }),
    diff: answer((call) => {
      const { request } = call;
      const changed = provider.diff(
        asked(call),
        plain(request.getOldInputs?.()),
        plain(request.getNews?.()),
        plain(request.getOlds?.()),
      );
      return diffResponse(changed);
    }),
    create: answer(async (call) => {
      const { request } = call;
      const made = await provider.create(
        asked(call),
        plain(request.getProperties?.()),
        request.getPreview?.() ?? false,
      );
      const response = new messages.CreateResponse();
      response.setId(made.id);
      response.setProperties(struct(made.props) as never);
      return response;
    }),
    read: answer(async (call) => {
      const { request } = call;
      const found = await provider.read(asked(call), request.getId?.() ?? "", plain(request.getInputs?.()));
      const response = new messages.ReadResponse();
      // No id: it is gone.
      if (!found) return response;
      response.setId(found.id);
      response.setProperties(struct(found.props) as never);
      response.setInputs(struct(found.inputs) as never);
      return response;
    }),
    update: answer(async (call) => {
      const { request } = call;
      const props = await provider.update(
        asked(call),
        request.getId?.() ?? "",
        plain(request.getNews?.()),
        plain(request.getOldInputs?.()),
        plain(request.getOlds?.()),
        request.getPreview?.() ?? false,
      );
      const response = new messages.UpdateResponse();
      response.setProperties(struct(props) as never);
      return response;
    }),
    delete: answer(async (call) => {
      await provider.delete(asked(call), call.request.getId?.() ?? "", plain(call.request.getProperties?.()));
      return new Empty();
    }),
  };
}

function diffResponse({ changes, replaces, deleteBeforeReplace }: Changed): object {
  const response = new messages.DiffResponse();
  const { DiffChanges } = messages.DiffResponse;
  response.setChanges(changes.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE);
  const top = (paths: readonly string[]) => [...new Set(paths.map((path) => path.split(/[.[]/)[0] ?? path))];
  response.setDiffsList(top(changes));
  response.setReplacesList(top(replaces));
  response.setDeletebeforereplace(deleteBeforeReplace);
  response.setHasdetaileddiff(true);
  const { Kind } = messages.PropertyDiff;
  for (const path of changes) {
    const one = new messages.PropertyDiff();
    one.setKind(replaces.includes(path) ? Kind.UPDATE_REPLACE : Kind.UPDATE);
    one.setInputdiff(true);
    response.getDetaileddiffMap().set(path, one);
  }
  return response;
}

function answer(work: (call: Call) => object | Promise<object>): Handler {
  return (call, callback) => {
    Promise.resolve()
      .then(() => work({ request: call.request, getPeer: () => call.getPeer() }))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback({ code: grpc.status.UNKNOWN, details: messageOf(error) }, null),
      );
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** From `urn:pulumi:stack::project::parent$type::name`. */
function asked({ request, getPeer }: Call): Asked {
  const [types = "", name = ""] = (request.getUrn?.() ?? "").split("::").slice(2);
  return { type: types.split("$").at(-1) ?? "", name, peer: getPeer() };
}

const plain = (value: StructValue | undefined): Props => value?.toJavaScript() ?? {};
const struct = (value: Props): object => Struct.fromJavaScript(JSON.parse(JSON.stringify(value)) as Props);

interface StructValue {
  toJavaScript(): Props;
}
interface StructType {
  fromJavaScript(value: Props): object;
}
interface Request {
  getTok?(): string;
  getUrn?(): string;
  getId?(): string;
  getPreview?(): boolean;
  getArgs?(): StructValue | undefined;
  getNews?(): StructValue | undefined;
  getOlds?(): StructValue | undefined;
  getOldInputs?(): StructValue | undefined;
  getInputs?(): StructValue | undefined;
  getProperties?(): StructValue | undefined;
}
interface Call {
  readonly request: Request;
  getPeer(): string;
}
type Handler = (call: Call, callback: (error: object | null, response: object | null) => void) => void;
interface GrpcServer {
  addService(service: object, implementation: Record<string, Handler>): void;
  bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void;
  forceShutdown(): void;
}
interface GrpcLibrary {
  readonly Server: new (options: Readonly<Record<string, number>>) => GrpcServer;
  readonly ServerCredentials: { createInsecure(): object };
  readonly status: { readonly UNKNOWN: number };
}
