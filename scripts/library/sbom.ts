/**
 * sbom.ts: `npm sbom` of everything in the lock, from stdin to stdout, without what only development takes, and with the package's name. npm's own
 * `--omit dev` also drops what a package for development needs besides, of which many are a dependency's too, and it names the checkout's folder.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** The parts of CycloneDX that are changed. */
interface Sbom {
  readonly metadata: { readonly component: { readonly "bom-ref": string; name: string } };
  components: readonly { readonly "bom-ref": string }[];
  dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

interface Lock {
  readonly name: string;
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly dev?: boolean; readonly link?: boolean }>
  >;
}

const MODULES = "node_modules/";
const lock = JSON.parse(readFileSync(join(import.meta.dirname, "../../package-lock.json"), "utf8")) as Lock;
const installed = Object.entries(lock.packages)
  .filter(([path, { dev, link }]) => path.includes(MODULES) && !dev && !link)
  .map(([path, { version }]) => `${path.slice(path.lastIndexOf(MODULES) + MODULES.length)}@${version}`);

const sbom = JSON.parse(await text(process.stdin)) as Sbom;
const root = sbom.metadata.component;
const kept = new Set([root["bom-ref"], ...installed]);
root.name = lock.name;
sbom.components = sbom.components.filter((each) => kept.has(each["bom-ref"]));
sbom.dependencies = sbom.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));
console.log(JSON.stringify(sbom, null, 2));
