/** Stands in for the `docker-build` package where the image is not the point: its digest is a hash of what went in. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Cloud } from "./cloud.ts";
import { changedPaths } from "./diff.ts";
import { type Props, record, text, texts } from "./kind.ts";
import { pushImage } from "./kinds/registry.ts";
import { type Asked, type Changed, type Provider, UNKNOWN } from "./protocol.ts";

const IMAGE = "docker-build:index:Image";
const INDEX = "docker-build:index:Index";

export class DockerBuildFake implements Provider {
  readonly version = "0.0.22";
  readonly #cloud: Cloud;
  /** Where the program lies: a plugin runs there, and takes relative paths from there. */
  directory = ".";

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  configure(): void {}

  check({ type }: Asked, news: Props): { inputs: Props; failures: string[] } {
    if (type !== IMAGE && type !== INDEX) throw new Error(`the fake of docker-build has no ${type}`);
    return { inputs: news, failures: [] };
  }

  /** The real one compares a hash of the build context too. */
  diff({ type }: Asked, oldInputs: Props, news: Props, state: Props): Changed {
    // A new password is no other image.
    const paths = changedPaths(oldInputs, news, state).filter((path) => !/^registr(y|ies)\b/.test(path));
    if (type === INDEX)
      return { changes: paths, replaces: paths.includes("tag") ? ["tag"] : [], deleteBeforeReplace: false };
    const changes = contextHash(this.directory, news) === state.contextHash ? paths : [...paths, "contextHash"];
    return { changes, replaces: [], deleteBeforeReplace: false };
  }

  async create({ type }: Asked, inputs: Props, preview: boolean): Promise<{ id: string; props: Props }> {
    const refused = this.#cloud.knobs.refuses[type];
    if (!preview && refused !== undefined) throw new Error(String(refused));
    if (type === INDEX) return this.#createIndex(inputs, preview);
    if (preview) return { id: "", props: { ...inputs, digest: UNKNOWN, ref: UNKNOWN, contextHash: UNKNOWN } };
    const props = this.#build(inputs);
    return { id: text(props.digest), props };
  }

  async read({ type }: Asked, id: string, inputs: Props): Promise<{ id: string; props: Props; inputs: Props }> {
    if (type === INDEX) return { id, props: { ...inputs, ref: id }, inputs };
    return { id, props: { ...inputs, digest: id, contextHash: contextHash(this.directory, inputs) }, inputs };
  }

  async update({ type }: Asked, id: string, news: Props, _: Props, state: Props, preview: boolean): Promise<Props> {
    if (type === INDEX) return { ...news, ref: id };
    if (preview) return { ...state, ...news, digest: UNKNOWN, ref: UNKNOWN, contextHash: UNKNOWN };
    return this.#build(news);
  }

  async delete(): Promise<void> {}

  async invoke(token: string): Promise<Props> {
    throw new Error(`the fake of docker-build has no ${token}`);
  }

  /** A tag on what was pushed by its digest. */
  #createIndex(inputs: Props, preview: boolean): { id: string; props: Props } {
    if (preview) return { id: "", props: { ...inputs, ref: UNKNOWN } };
    const [digest = ""] = texts(inputs.sources).map((source) => source.split("@")[1] ?? "");
    pushImage(this.#cloud, text(inputs.tag), digest);
    const ref = `${text(inputs.tag)}@${digest}`;
    return { id: ref, props: { ...inputs, ref } };
  }

  #build(inputs: Props): Props {
    const { tags, push, buildArgs, target, exports } = inputs;
    const hash = contextHash(this.directory, inputs);
    const content = JSON.stringify([hash, buildArgs ?? {}, target ?? ""]);
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    if (push === true) for (const tag of texts(tags)) pushImage(this.#cloud, tag, digest);
    for (const one of Array.isArray(exports) ? exports : []) {
      const { push: pushes, pushByDigest, names } = record(record(one).image);
      if (pushes !== true || pushByDigest !== true) continue;
      for (const name of texts(names)) pushImage(this.#cloud, `${name}:@${digest.slice(7, 19)}`, digest);
    }
    const [first = ""] = texts(tags);
    return { ...inputs, digest, contextHash: hash, ref: `${first}@${digest}` };
  }
}

/** Of the files of the build context, by name and content. */
function contextHash(directory: string, inputs: Props): string {
  const hash = createHash("sha256");
  const location = resolve(directory, text(record(inputs.context).location));
  for (const path of filesBelow(location)) hash.update(path).update(readFileSync(join(location, path)));
  return hash.digest("hex");
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return entries.filter((path) => !path.includes("__pycache__") && statSync(join(folder, path)).isFile());
}
