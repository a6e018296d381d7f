import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { renderContract, renderUserData } from "../../../infra/aws/host/user-data.ts";
import type { HostFilesPlan } from "../../../infra/plan/aws/host.ts";
import { paths } from "../paths.ts";

export const VOLUME = "vol-0123456789abcdef0";

export const hostPlan: HostFilesPlan = {
  region: "us-east-1",
  stack: "test",
  parameters: "/imagegen/test",
  volumeId: VOLUME,
  formatIfBlank: true,
  filesystem: "xfs",
  logGroup: "",
  registry: "localhost:5000",
  selfHealing: false,
  idleStopMinutes: 0,
  instanceStore: false,
  endpointsOnly: false,
  publishAddress: "127.0.0.1",
  mirrorRoleArn: "",
};

export const userData = (plan: HostFilesPlan) => Buffer.from(renderUserData(plan), "base64");

/** What a test machine finds over its root: the stand-in for AWS's CLI, and more files by their path. */
export async function bringIn(folder: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = join(folder, "bring-in");
  const put = (path: string, from: string) => cpSync(from, join(root, path), { recursive: true });
  mkdirSync(root, { recursive: true });
  put("usr/local/bin/aws", join(import.meta.dirname, "fakes/aws"));
  for (const [path, text] of Object.entries(more)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o755 });
  }
  const tar = join(folder, "bring-in.tar");
  await execa("tar", ["--owner=0", "--group=0", "-cf", tar, "-C", root, "."]);
  return tar;
}

/** The scripts where user data would put them, for machines without cloud-init. */
export async function scriptsInPlace(folder: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  for (const name of ["bin", "credentials"]) {
    const scripts = join(paths.root, "infra/aws/host/files", name);
    cpSync(scripts, join(folder, "bring-in/opt/image-gen/bin"), { recursive: true });
  }
  cpSync(join(paths.root, "infra/aws/host/files/systemd"), join(folder, "bring-in/etc/systemd/system"), {
    recursive: true,
  });
  // On a host of a fleet it has the other one's name.
  cpSync(
    join(paths.root, "infra/aws/host/files/instance-store/data-volume"),
    join(folder, "bring-in/opt/image-gen/bin/instance-store"),
  );
  writeFileSync(join(folder, "bring-in/opt/image-gen/contract.env"), renderContract());
  return bringIn(folder, more);
}
