import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Manifest } from "../plan/manifest.ts";

/**
 * The manifest of a model, by its id or an alias; null when there is none.
 * Throws `UserError` when a manifest can't be read.
 */
export function readManifest(modelId: string, directory = "image-gen/models"): Manifest | null {
  if (!existsSync(directory)) return null;
  const files = readdirSync(directory).filter((file) => file.endsWith(".json"));
  const manifests = files.map((file) => parseManifest(join(directory, file)));
  return manifests.find(({ id, aliases }) => id === modelId || aliases.includes(modelId)) ?? null;
}

function parseManifest(path: string): Manifest {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UserError(`${path}: expected a manifest in JSON, got ${(error as Error).message}. ${RESTORE(path)}`);
  }
  if (!isManifest(found)) {
    throw new UserError(
      `${path}: expected schema 1 with id, aliases, revision and files, got another. ${RESTORE(path)}`,
    );
  }
  return found;
}

const RESTORE = (path: string) => `Fix: git checkout -- ${path}`;

function isManifest(value: unknown): value is Manifest {
  const manifest = value as Partial<Manifest> | null;
  return (
    manifest?.schema === 1 &&
    typeof manifest.id === "string" &&
    typeof manifest.revision === "string" &&
    Array.isArray(manifest.aliases) &&
    Array.isArray(manifest.files) &&
    manifest.files.every((file) => typeof file?.path === "string" && Number.isFinite(file.bytes))
  );
}
