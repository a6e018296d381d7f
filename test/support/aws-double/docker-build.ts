/** Stands in for the `docker-build` package where the image is not the point: its digest is a hash of what went in. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cloud } from "./cloud.ts";
import { changedPaths } from "./diff.ts";
import { type Props, record, text, texts } from "./kind.ts";
import { pushImage } from "./kinds/registry.ts";
import { type Asked, type Changed, type Provider, UNKNOWN } from "./protocol.ts";

const IMAGE = "docker-build:index:Image";

export class DockerBuildDouble implements Provider {
  readonly version = "0.0.22";
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  configure(): void {}

  check({ type }: Asked, news: Props): { inputs: Props; failures: string[] } {
    if (type !== IMAGE) throw new Error(`the double of docker-build has no ${type}`);
    return { inputs: news, failures: [] };
  }

  /** The real one compares a hash of the build context too. */
  diff(_: Asked, oldInputs: Props, news: Props, state: Props): Changed {
    const paths = changedPaths(oldInputs, news, state).filter((path) => !path.startsWith("registries"));
    const changes = contextHash(news) === state.contextHash ? paths : [...paths, "contextHash"];
    return { changes, replaces: [], deleteBeforeReplace: false };
  }

  async create(_: Asked, inputs: Props, preview: boolean): Promise<{ id: string; props: Props }> {
    if (preview) return { id: "", props: { ...inputs, digest: UNKNOWN, ref: UNKNOWN, contextHash: UNKNOWN } };
    const props = this.#build(inputs);
    return { id: text(props.digest), props };
  }

  async read(_: Asked, id: string, inputs: Props): Promise<{ id: string; props: Props; inputs: Props }> {
    return { id, props: { ...inputs, digest: id, contextHash: contextHash(inputs) }, inputs };
  }

  async update(_: Asked, __: string, news: Props, ___: Props, state: Props, preview: boolean): Promise<Props> {
    if (preview) return { ...state, ...news, digest: UNKNOWN, ref: UNKNOWN, contextHash: UNKNOWN };
    return this.#build(news);
  }

  async delete(): Promise<void> {}

  async invoke(token: string): Promise<Props> {
    throw new Error(`the double of docker-build has no ${token}`);
  }

  #build(inputs: Props): Props {
    const { tags, push, buildArgs, target } = inputs;
    const hash = contextHash(inputs);
    const content = JSON.stringify([hash, buildArgs ?? {}, target ?? ""]);
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    if (push === true) for (const tag of texts(tags)) pushImage(this.#cloud, tag, digest);
    const [first = ""] = texts(tags);
    return { ...inputs, digest, contextHash: hash, ref: `${first}@${digest}` };
  }
}

/** Of the files of the build context, by name and content. */
function contextHash(inputs: Props): string {
  const hash = createHash("sha256");
  const location = text(record(inputs.context).location);
  for (const path of filesBelow(location)) hash.update(path).update(readFileSync(join(location, path)));
  return hash.digest("hex");
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return entries.filter((path) => !path.includes("__pycache__") && statSync(join(folder, path)).isFile());
}
