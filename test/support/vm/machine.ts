import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { blockNode, type Disk, nodeName } from "./disks.ts";
import { testImage } from "./image.ts";
import { JsonLines } from "./lines.ts";
import { Monitor } from "./monitor.ts";

export interface MachineOptions {
  /** An empty directory for its sockets, its console's log and its root disk. */
  readonly work: string;
  /** In the order of their controllers; the root disk comes after the first of them. */
  readonly disks?: readonly Disk[];
  /** A tar that is unpacked over the root at each boot. */
  readonly bringIn: string;
  /** User data for cloud-init; without it, cloud-init stays off. */
  readonly userData?: Buffer;
  /** Units that shall not run in this machine. */
  readonly masked?: readonly string[];
}

export interface GuestResult {
  readonly code: number;
  readonly output: string;
}

const BOOT_SECONDS = 180;
/**
 * It ends with the test that started it, however that ends, and has the cores before other suites: in an emulator that waits for them, disks that are
 * plugged in come too late. Without root it runs at the usual priority, and a line says so.
 */
const LAUNCH = ["--adjustment=-15", "setpriv", "--pdeathsig", "KILL"];
const CPU = ["-machine", "pc,hpet=off", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem", "-smp", "2"];
const QUIET = "console=ttyS0 quiet loglevel=4 mitigations=off nokaslr audit=0 apparmor=0 tsc=reliable no_timer_check";
const BOOT = "root=PARTLABEL=root rw rootwait panic=-1 systemd.show_status=error";

/** One running machine: its hardware by QEMU's monitor, its inside by an agent. */
export class Machine {
  private monitor: Monitor | undefined;
  private agent: JsonLines | undefined;
  private readonly answers = new Map<number, (answer: GuestResult) => void>();
  private asked = 0;
  private booted: { resolve: () => void; promise: Promise<void> } = Promise.withResolvers<void>();
  private readonly process: ChildProcess;
  private readonly work: string;

  private constructor(process: ChildProcess, work: string) {
    this.process = process;
    this.work = work;
  }

  static async start(options: MachineOptions): Promise<Machine> {
    mkdirSync(options.work, { recursive: true });
    const image = await testImage();
    const root = join(options.work, "root.qcow2");
    if (!existsSync(root))
      await execa("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", image.disk, root]);
    const log = openSync(join(options.work, "qemu.log"), "w");
    const args = await hardware(options, root, image.kernel);
    const machine = new Machine(
      spawn("nice", [...LAUNCH, "qemu-system-x86_64", ...args], { stdio: ["ignore", log, log] }),
      options.work,
    );
    machine.monitor = await Monitor.open(join(options.work, "qmp"));
    machine.agent = await JsonLines.open(join(options.work, "agent"), (value) => machine.hear(value));
    await machine.up();
    return machine;
  }

  /** Runs a script by bash inside, and gives its exit code and all that it said. */
  run(script: string, timeoutSeconds = 120): Promise<GuestResult> {
    this.asked += 1;
    const id = this.asked;
    return new Promise((resolve) => {
      this.answers.set(id, resolve);
      this.agent?.send({ id, script, timeout: timeoutSeconds });
    });
  }

  /** Like `run`, for what must not fail. Returns what it said. */
  async must(script: string, timeoutSeconds?: number): Promise<string> {
    const answer = await this.run(script, timeoutSeconds);
    if (answer.code !== 0) throw new Error(`exit code ${answer.code} of: ${script}\n${answer.output}`);
    return answer.output.trim();
  }

  async attach(disk: Disk): Promise<void> {
    const node = nodeName(disk);
    await this.monitor?.order("blockdev-add", blockNode(disk, node));
    await this.monitor?.order("device_add", { driver: "nvme", id: node, drive: node, serial: disk.serial });
  }

  /** Takes the disk away, whether it is mounted or not. */
  async detach(disk: Disk): Promise<void> {
    await this.monitor?.unplug(nodeName(disk));
    await this.monitor?.order("blockdev-del", { "node-name": nodeName(disk) });
  }

  /** A reboot as `reboot` does it. */
  async reboot(): Promise<void> {
    this.booted = Promise.withResolvers<void>();
    await this.run("systemctl reboot --no-block");
    await this.up();
  }

  /** A power cut: nothing that is in the guest's memory gets out. */
  async cutPower(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill("SIGKILL");
      await ended;
    }
    this.monitor?.close();
    this.agent?.close();
  }

  private async up(): Promise<void> {
    const late = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error(`the machine did not boot:\n${this.console()}`)), BOOT_SECONDS * 1000).unref(),
    );
    await Promise.race([this.booted.promise, late]);
  }

  private console(): string {
    const lines = ["qemu.log", "console.log"].map((name) => join(this.work, name)).filter((path) => existsSync(path));
    return lines.map((path) => readFileSync(path, "utf8").slice(-2000)).join("\n");
  }

  private hear(value: Record<string, unknown>): void {
    const { id, ...answer } = value as unknown as GuestResult & { id: number };
    if (id === 0) this.booted.resolve();
    this.answers.get(id)?.(answer);
    this.answers.delete(id);
  }
}

async function hardware(options: MachineOptions, root: string, kernel: string): Promise<string[]> {
  const { work, disks = [], masked = [], userData, bringIn } = options;
  const args = [...CPU, "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none"];
  args.push("-chardev", `file,id=console,path=${work}/console.log`, "-serial", "chardev:console");
  args.push("-qmp", `unix:${work}/qmp,server=on,wait=off`, "-device", "virtio-rng-pci");
  args.push("-chardev", `socket,id=agent,path=${work}/agent,server=on,wait=off`, "-device", "virtio-serial-pci");
  args.push("-device", "virtserialport,chardev=agent,name=agent");
  args.push("-drive", `file=${bringIn},if=none,id=bring-in,format=raw,readonly=on`);
  args.push("-device", "virtio-blk-pci,drive=bring-in,serial=bring-in");
  const nvme = (disk: Disk, slot: number) => {
    args.push("-blockdev", JSON.stringify(blockNode(disk, nodeName(disk))));
    args.push("-device", `nvme,drive=${nodeName(disk)},serial=${disk.serial},id=${nodeName(disk)},addr=${slot}`);
  };
  // Linux numbers controllers by their slot: what comes first would be the naive script's disk.
  for (const [index, disk] of disks.entries()) nvme(disk, index === 0 ? 8 : 9 + index);
  args.push("-drive", `file=${root},if=none,id=root,format=qcow2,cache=unsafe`);
  args.push("-device", "nvme,drive=root,serial=vol0fffffffffffffff0,addr=9");
  let boot = `${BOOT} ${QUIET} ${masked.map((unit) => `systemd.mask=${unit}`).join(" ")}`;
  if (userData) {
    args.push("-drive", `file=${await seed(work, userData)},if=none,id=seed,format=raw,readonly=on`);
    args.push("-device", "virtio-blk-pci,drive=seed");
    boot += " ds=nocloud";
  } else boot += " cloud-init=disabled";
  return [...args, "-kernel", kernel, "-append", boot];
}

/** A disk that cloud-init reads user data from. */
async function seed(work: string, userData: Buffer): Promise<string> {
  writeFileSync(join(work, "user-data"), userData);
  writeFileSync(join(work, "meta-data"), "instance-id: i-0123456789abcdef0\n");
  const iso = join(work, "seed.iso");
  await execa("genisoimage", ["-quiet", "-o", iso, "-V", "cidata", "-J", "-r", "user-data", "meta-data"], {
    cwd: work,
  });
  return iso;
}
