/** What a host does with the deployment that its parameter names, with stand-ins for AWS, Docker and systemd. */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const OLD = "0".repeat(12);
const NEW = "1".repeat(12);
let folder: string;

function script(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

const deployment = (id: string) =>
  JSON.stringify({ schema: 1, id, image: `registry/image@sha256:${id[0]?.repeat(64)}`, environment: {} });
const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");

/** The image is here, and a container of the deployment OLD runs. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-deploy-watch-"));
  mkdirSync(join(folder, "trouble"));
  const text = readFileSync("infra/aws/host/files/bin/deploy-watch", "utf8");
  writeFileSync(join(folder, "deploy-watch"), text.replace("/var/lib/image-gen", `${folder}/kept`), { mode: 0o755 });
  cpSync("infra/aws/host/files/bin/deployment", join(folder, "deployment"));
  const names = `state=${folder} container=c IMAGE_GEN_PARAMETERS=/p IMAGE_GEN_DEPLOYMENT_PARAMETER=/deployment`;
  const more = "IMAGE_GEN_LABEL=label IMAGE_GEN_REGISTRY=registry";
  const trouble = `trouble() { printf '%s' "$2" >"$state/trouble/$1"; }; resolved() { rm -f "$state/trouble/$1"; }`;
  writeFileSync(join(folder, "lib"), `set -euo pipefail\n${names} ${more}\nsay() { :; }\n${trouble}\n`);
  script("preflight", ":");
  // One look, and the end.
  script("sleep", `kill "$PPID"`);
  script("aws", `[ "$1" = ssm ] && cat ${folder}/parameter`);
  script("docker", `case $1 in inspect) cat ${folder}/label ;; esac`);
  script("systemctl", `[ "$1" = is-active ] && exec cat ${folder}/active\necho "$*" >>${folder}/restarts`);
  writeFileSync(join(folder, "label"), OLD);
  writeFileSync(join(folder, "active"), "");
});
afterEach(() => rmSync(folder, { recursive: true }));

async function look(id: string) {
  writeFileSync(join(folder, "parameter"), deployment(id));
  await execa(join(folder, "deploy-watch"), { env: { PATH: `${folder}:${process.env.PATH}` }, reject: false });
  return { restarts: read("restarts"), image: read("trouble/image") };
}

const RESTART = "restart --no-block image-gen.service\n";

test("another deployment restarts the service, once its image is here", async () => {
  expect(await look(NEW)).toEqual({ restarts: RESTART, image: "" });
  expect(read("current.json").trim()).toBe(deployment(NEW));
});

test("a container of an earlier deployment, whose start was on its way when another came, is replaced", async () => {
  writeFileSync(join(folder, "current.json"), deployment(NEW));
  expect((await look(NEW)).restarts).toBe(RESTART);
});

test("a container of this deployment is left alone, and one that is being stopped", async () => {
  writeFileSync(join(folder, "current.json"), deployment(OLD));
  expect((await look(OLD)).restarts).toBe("");
  rmSync(join(folder, "active"));
  expect((await look(NEW)).restarts).toBe("");
});

test("a login that fails says what AWS said", async () => {
  script("docker", `[ "$1" != login ] || { echo "Error: no password" >&2; exit 1; }\n[ "$1" != image ]`);
  script("aws", `[ "$1" = ssm ] && exec cat ${folder}/parameter\necho "AccessDenied: no token" >&2; exit 1`);
  expect((await look(NEW)).image).toMatch(/^no login at registry: .*AccessDenied: no token/);
});
