import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { HostFilesPlan } from "../../../infra/plan/aws/host.ts";
import { paths } from "../paths.ts";
import type { Disk } from "../vm/disks.ts";
import { Machine } from "../vm/machine.ts";
import { bringIn, hostPlan, userData } from "./files.ts";

const fake = (name: string) => readFileSync(join(import.meta.dirname, "fakes", name), "utf8");

const PREPARE = `[Unit]
After=docker.service
Requires=docker.service
Before=cloud-final.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/opt/test/prepare
[Install]
WantedBy=multi-user.target
`;
/** The machine's own make of disk, and a quicker pace, for every unit. */
const MANAGER = `[Manager]
DefaultEnvironment="IMAGE_GEN_DISK_MODEL=QEMU NVMe Ctrl" "IMAGE_GEN_STORE_MODEL=QEMU NVMe Ctrl" IMAGE_GEN_POLL_SECONDS=2 IMAGE_GEN_GRACE_SECONDS=5
`;

/** What the host says of itself, by the parameter. */
export interface HostStatus {
  readonly schema: number;
  readonly deployment: string | null;
  readonly instance: string;
  readonly at: string;
  readonly phase: string;
  readonly ready: { readonly model: string } | null;
  readonly error: string | null;
  readonly log: readonly string[];
}

/** A host as user data makes it, with real Docker and a real registry; around it, what AWS would be. */
export async function startServiceMachine(
  folder: string,
  disks: readonly Disk[],
  plan: Partial<HostFilesPlan> = {},
  command: readonly string[] = [],
): Promise<Machine> {
  const files = join(folder, "files");
  mkdirSync(files, { recursive: true });
  const tar = await bringIn(files, {
    "opt/test/metadata": fake("metadata"),
    "opt/test/answer": fake("answer"),
    "opt/test/serve": fake("serve"),
    "opt/test/prepare": fake("prepare"),
    "opt/test/deploy": fake("deploy"),
    // What user data has with `instanceStoreCache`.
    "opt/test/instance-store": readFileSync(
      join(paths.root, "infra/aws/host/files/instance-store/data-volume"),
      "utf8",
    ),
    "opt/test/command": JSON.stringify(command),
    "etc/systemd/system/test-prepare.service": PREPARE,
    "etc/systemd/system.conf.d/test.conf": MANAGER,
  });
  const machine = await Machine.start({
    work: join(folder, "machine"),
    bringIn: tar,
    disks,
    userData: userData({ ...hostPlan, ...plan }),
  });
  // The agent is up long before cloud-init's last stage, which then waits for this.
  await machine.must("systemctl daemon-reload; systemctl enable test-prepare; systemctl start --no-block test-prepare");
  return machine;
}

/** Waits until the host's record is as asked, and gives it. */
export async function recordThat(
  machine: Machine,
  wanted: (record: HostStatus) => boolean,
  seconds = 240,
): Promise<HostStatus> {
  let text = "";
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    text = (await machine.run("cat /var/lib/aws/parameters/_imagegen_test_ready 2>/dev/null")).output;
    if (text.trim() !== "") {
      const record = JSON.parse(text) as HostStatus;
      if (wanted(record)) return record;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`no such record in ${seconds} s; the last was ${text}\n${(await machine.run(STATE)).output}`);
}

const STATE =
  "systemctl --no-pager --failed; journalctl -b -n 60 --no-pager -u 'image-gen*' -u cloud-final -u test-prepare; ls -l /run/image-gen /var/lib/aws";
