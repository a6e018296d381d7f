/** A host's whole life, from user data to spot notice: cloud-init, systemd and Docker are real, AWS is stood in for. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INSTANCE_STORE_MARKER, INSTANCE_STORE_PATH, INSTANCE_STORE_VARIABLE } from "../../infra/contract.ts";
import { VOLUME } from "../support/host/files.ts";
import { INSTANCE_STORE } from "../support/host/lab.ts";
import { recordThat, startServiceMachine } from "../support/host/service-machine.ts";
import { blankFile, type Disk, hashOf, serialOf } from "../support/vm/disks.ts";
import type { Machine } from "../support/vm/machine.ts";

const folder = mkdtempSync(join(tmpdir(), "imagegen-host-"));
const decoy: Disk = { file: blankFile(join(folder, "decoy.img")), serial: INSTANCE_STORE };
const data: Disk = { file: blankFile(join(folder, "data.img")), serial: serialOf(VOLUME) };
const CONTAINER = "image-game-image-gen";
let machine: Machine;
let decoyHash: string;

describe("a host", () => {
  beforeAll(async () => {
    decoyHash = await hashOf(decoy.file);
    machine = await startServiceMachine(folder, [decoy], {
      mirrorRoleArn: "arn:aws:iam::123456789012:role/mirror",
      idleStopMinutes: 30,
    });
  });
  afterAll(async () => {
    await machine?.cutPower();
    rmSync(folder, { recursive: true });
  });

  /** How many times longer the same work takes there than here. */
  const slowdown = async () => {
    const work = `s=$(date +%s.%N); awk 'BEGIN { for (i = 0; i < 2000000; i++) x += i }'; echo "$s $(date +%s.%N)"`;
    const seconds = (output: string) => {
      const [begin, end] = output.trim().split(" ").map(Number);
      return (end ?? 0) - (begin ?? 0);
    };
    return seconds(await machine.must(work)) / seconds((await execa("bash", ["-c", work])).stdout);
  };

  /** Seconds since the epoch of the first line of the journal that holds the text. */
  const timeOf = async (text: string) =>
    Number((await machine.must(`journalctl -b -o short-unix --no-pager | grep -F -m 1 '${text}'`)).split(" ")[0]);

  const deploy = (id: string, image: string, greeting: string) =>
    machine.must(`/opt/test/deploy ${id} "${image}" ${greeting}`);

  const inContainer = (command: string) => machine.run(`docker exec ${CONTAINER} ${command}`);
  const containerId = () => machine.must(`docker inspect --format '{{.Id}}' ${CONTAINER}`);
  const looks = (count: number) =>
    machine.must(`for _ in $(seq ${count}); do systemctl start image-gen-watchdog.service; done`);

  test("the image is there before the volume, and without the volume nothing is started", async () => {
    const record = await recordThat(machine, ({ phase }) => phase === "volume", 480);
    expect(record).toMatchObject({
      schema: 1,
      deployment: "aaaaaaaaaaaa",
      instance: "i-0123456789abcdef0",
      error: null,
    });
    expect(await machine.must("docker ps --quiet --all; ls -A /data 2>/dev/null || true")).toBe("");
  });

  test("the volume comes late: it is formatted, and the service gets ready", async () => {
    await machine.must("date +%s.%N >/run/attached");
    await machine.attach(data);
    const record = await recordThat(machine, ({ phase }) => phase === "ready");
    expect(record.ready?.model).toBe("stub");
    expect(record.log.join("\n")).toContain("[image-gen] started with hello");

    const attached = Number(await machine.must("cat /run/attached"));
    const started = Number(
      await machine.must(`date -d "$(docker inspect --format '{{.State.StartedAt}}' ${CONTAINER})" +%s.%N`),
    );
    const [begun, pulling] = [await timeOf("modules:final"), await timeOf("pulling ")];
    const seconds = pulling - begun + (started - attached);
    console.log(
      `instance start to container start, without boot, image pull and attachment: ${seconds.toFixed(1)} s ` +
        `(${(pulling - begun).toFixed(1)} s until the pull began, ${(started - attached).toFixed(1)} s from attached to started), ` +
        `on an emulated processor that is ${(await slowdown()).toFixed(0)} times slower than this machine's`,
    );
  });

  test("the container has the contract's shape, and the instance store is untouched", async () => {
    const shape = `docker inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{json .HostConfig.PortBindings}}' ${CONTAINER}`;
    expect(await machine.must(shape)).toBe(
      '10001:10001 true [ALL] [no-new-privileges:true] {"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":"8000"}]}',
    );
    const environment = await machine.must(`docker inspect --format '{{json .Config.Env}}' ${CONTAINER}`);
    expect(JSON.parse(environment)).toEqual(
      expect.arrayContaining(["GREETING=hello", "QUOTED=a b'c", "HF_TOKEN=hf_secret"]),
    );
    // The mirror's, of the role that reads it and nothing else: in a file, which can be renewed.
    expect(JSON.parse(environment)).toEqual(
      expect.arrayContaining(["AWS_SHARED_CREDENTIALS_FILE=/etc/image-gen/aws/credentials", "AWS_REGION=us-east-1"]),
    );
    expect(environment).not.toMatch(/ASIAKEY|secretkey|sessiontoken|api_secret/);
    expect(JSON.parse(environment)).toContain("IMAGE_GEN_API_KEYS_FILE=/etc/image-gen/keys/api-keys");
    expect((await inContainer("cat /etc/image-gen/aws/credentials")).output).toContain("aws_access_key_id = ASIAKEY\n");
    expect(await machine.must("stat -c '%a %u' /run/image-gen/mirror /run/image-gen/mirror/credentials")).toBe(
      "700 10001\n600 10001",
    );
    expect(await machine.must("grep -c 'role/mirror' /var/lib/aws/calls")).toBe("1");
    expect((await inContainer("touch /bin/x")).code).not.toBe(0);
    expect(await hashOf(decoy.file)).toBe(decoyHash);
  });

  test("the mirror's credentials are renewed long before their hour is over, and the container has the new ones", async () => {
    const renewed = "$(stat -c %i /run/image-gen/mirror/credentials)";
    await machine.must(`touch -d '-21 minutes' /run/image-gen/mirror/credentials; echo "${renewed}" >/run/before`);
    await machine.must(
      `for _ in $(seq 90); do [ "${renewed}" != "$(cat /run/before)" ] && break; sleep 1; done; [ "${renewed}" != "$(cat /run/before)" ]`,
    );
    expect(await machine.must("grep -c 'role/mirror' /var/lib/aws/calls")).toBe("2");
    const inside = await inContainer("stat -c %i /etc/image-gen/aws/credentials");
    expect(inside.output.trim()).toBe(await machine.must("stat -c %i /run/image-gen/mirror/credentials"));
  });

  test("a key that is changed in Secrets Manager gets to the container that runs", async () => {
    const inside = async () => (await inContainer("cat /etc/image-gen/keys/api-keys")).output.trim();
    expect(await inside()).toBe('{"default": "api_secret"}');
    const before = await containerId();
    await machine.must(
      `printf changed >/var/lib/aws/secrets/arn:aws:secretsmanager:us-east-1:123456789012:secret:key; touch -d '-6 minutes' /run/image-gen/keys-read`,
    );
    await looks(1);
    expect(await inside()).toBe('{"default": "changed"}');
    expect(await containerId()).toBe(before);
    expect(await machine.must("stat -c '%a %u' /run/image-gen/keys /run/image-gen/keys/api-keys")).toBe(
      "700 10001\n600 10001",
    );
  });

  test("a heartbeat goes out while every script runs", async () => {
    await machine.must("rm -f /run/image-gen/metrics-sent; /opt/image-gen/bin/watchdog");
    expect(await machine.must("grep -c 'MetricName=Heartbeat,Value=1' /var/lib/aws/calls")).not.toBe("0");
  });

  test("a secret is on tmpfs alone, and the record fits its parameter", async () => {
    expect(await machine.must("stat -c %a /run/image-gen/secrets.env; findmnt -no FSTYPE -T /run/image-gen")).toBe(
      "600\ntmpfs",
    );
    expect(
      await machine.must(
        "grep -rl hf_secret /etc/image-gen /opt/image-gen /var/lib/image-gen /data /root 2>/dev/null || true",
      ),
    ).toBe("");
    const sizes = (await machine.must("awk '{print length($0)}' /var/lib/aws/records")).split("\n").map(Number);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4096);
    expect(await machine.must("grep -c hf_secret /var/lib/aws/records || true")).toBe("0");
  });

  test("a container can not reach the metadata service, and could without the rule", async () => {
    const request = "GET /latest/meta-data/instance-id HTTP/1.0\\r\\nX-aws-ec2-metadata-token: token\\r\\n\\r\\n";
    const ask = `sh -c 'printf "${request}" | nc -w 3 169.254.169.254 80'`;
    expect((await inContainer(ask)).code).not.toBe(0);
    await machine.must("iptables -D DOCKER-USER -d 169.254.0.0/16 -j REJECT");
    expect((await inContainer(ask)).output).toContain("i-0123456789abcdef0");
    await machine.must("/opt/image-gen/bin/firewall");
    expect((await inContainer(ask)).code).not.toBe(0);
  });

  test("the journal is sent from the boot's first lines on, and nothing of the container", async () => {
    // Only for this: a container would start with Docker's driver for CloudWatch.
    const logTo = (group: string) =>
      machine.must(
        `sed -i 's#^IMAGE_GEN_LOG_GROUP=.*#IMAGE_GEN_LOG_GROUP=${group}#' /etc/image-gen/host.env; systemctl restart image-gen-journal`,
      );
    await logTo("/imagegen/test");
    await machine.must(
      "for _ in $(seq 60); do grep -qs formatting /var/lib/aws/log-events && exit; sleep 1; done; exit 1",
    );
    await logTo("");
    const requests = (await machine.must("cat /var/lib/aws/log-events")).trim().split("\n");
    const sent = requests.map(
      (text) => JSON.parse(text) as { logStreamName: string; logEvents: { message: string }[] },
    );
    expect(sent[0]?.logStreamName).toBe("i-0123456789abcdef0/host");
    const lines = sent.flatMap(({ logEvents }) => logEvents.map(({ message }) => message)).join("\n");
    expect(lines).toMatch(/^systemd: Start(?:ed|ing) /m);
    expect(lines).toMatch(/^image-gen-deploy: pulling localhost:5000\/stub@/m);
    expect(lines).toMatch(/^image-gen-data: formatting \w+ \(vol-0123456789abcdef0\)/m);
    expect(lines).not.toContain("[image-gen] started");
    expect(await machine.must("journalctl -b -o cat -t container")).toContain("[image-gen] started with hello");
  });

  test("an image that can't be pulled leaves the old one serving, and says so", async () => {
    const before = await containerId();
    await deploy("bbbbbbbbbbbb", `localhost:5000/stub@sha256:${"0".repeat(64)}`, "hello");
    const record = await recordThat(machine, ({ error }) => error !== null);
    expect(record.deployment).toBe("bbbbbbbbbbbb");
    expect(record.error).toMatch(/^localhost:5000\/stub@sha256:0+ can not be pulled: /);
    expect(await machine.must("curl -sf http://127.0.0.1:8000/healthz")).toBe("ok");
    expect(await containerId()).toBe(before);
  });

  test("a new image replaces the container alone", async () => {
    await deploy("cccccccccccc", await machine.must("cat /var/lib/aws/image-two"), "again");
    // The watchdog may look while the emulated service is too slow to answer it in time.
    await recordThat(
      machine,
      ({ deployment, phase, error }) => deployment === "cccccccccccc" && phase === "ready" && error === null,
    );
    expect((await inContainer("cat /version")).output.trim()).toBe("two");
    // The old one was asked to end, and did, before the new one began.
    expect(await machine.must("sed 's/^[0-9]*$/started/' /data/starts")).toBe("started\nstopped\nstarted");
  });

  test("a container that was ready and is not any more is restarted at the third look", async () => {
    const before = await containerId();
    await machine.must("systemctl stop image-gen-watchdog.timer");
    await looks(1);
    await machine.must(`docker exec ${CONTAINER} touch /tmp/sick`);
    await looks(2);
    expect(await containerId()).toBe(before);
    await looks(1);
    await machine.must(
      `for _ in $(seq 120); do [ "$(docker inspect --format '{{.Id}}' ${CONTAINER})" = ${before} ] || exit 0; sleep 1; done; exit 1`,
    );
    await machine.must("systemctl start image-gen-watchdog.timer");
    await recordThat(machine, ({ phase, error }) => phase === "ready" && error === null);
  });

  test("a service that nobody asks for pictures stops its host, and one that was asked does not", async () => {
    await machine.must(
      `systemctl stop image-gen-watchdog.timer; mkdir -p /tmp/idle; printf '#!/bin/sh\necho "$@" >>/tmp/idle/asked\n' >/tmp/idle/systemctl; chmod +x /tmp/idle/systemctl`,
    );
    // The service is known to be ready by a look alone.
    await looks(1);
    const look = (before: string) =>
      machine.must(
        `rm -f /tmp/idle/asked; ${before}; PATH=/tmp/idle:$PATH /opt/image-gen/bin/idle-stop; cat /tmp/idle/asked 2>/dev/null || true`,
      );
    expect(await look("rm -f /run/image-gen/counters")).toBe("");
    expect(await look("touch -d '-29 minutes' /run/image-gen/counters")).toBe("");
    expect(await look("touch -d '-31 minutes' /run/image-gen/counters")).toContain("poweroff --no-block");
    expect(await look("echo fewer >/run/image-gen/counters; touch -d '-31 minutes' /run/image-gen/counters")).toBe("");
    expect(await look("rm /run/image-gen/was-ready")).toBe("");
    await machine.must("touch /run/image-gen/was-ready; systemctl start image-gen-watchdog.timer");
  });

  test("a GPU that the host has lost is in the status, with its fix", async () => {
    await machine.must(
      'sed -i \'s/"gpus":null/"gpus":"all"/\' /run/image-gen/current.json; systemctl stop image-gen-watchdog.timer; systemctl start image-gen-watchdog',
    );
    expect((await recordThat(machine, ({ error }) => error !== null)).error).toMatch(
      /lost its GPU: .+ Fix: imagegen stop/,
    );
    expect(await machine.must("grep -o 'MetricName=GpuLost,Value=1' /var/lib/aws/calls")).toContain("GpuLost");
    await machine.must("cp /run/image-gen/wanted.json /run/image-gen/current.json; rm /run/image-gen/trouble/gpu");
  });

  test("a host without internet access names each endpoint that does not answer", async () => {
    const curl = 'case "$*" in *//api.ecr.* | *//logs.*) exit 7 ;; esac';
    const answer = await machine.run(
      `mkdir -p /tmp/fake; printf '#!/bin/sh\n%s\n' '${curl}' >/tmp/fake/curl; chmod +x /tmp/fake/curl; cp /etc/image-gen/host.env /tmp/host.env
    sed -i 's/ONLY=0/ONLY=1/; s/GROUP=/GROUP=g/' /etc/image-gen/host.env; PATH=/tmp/fake:$PATH /opt/image-gen/bin/preflight; code=$?
    cp /tmp/host.env /etc/image-gen/host.env; exit $code`,
    );
    expect(answer.output).toMatch(/^no VPC endpoint answers for: ecr\.api logs\. Fix: /);
    expect(answer.code).toBe(1);
  });

  test("a volume that goes while the service runs ends the service, and brings it back when it returns", async () => {
    await machine.detach(data);
    await looks(1);
    const gone = await recordThat(machine, ({ phase }) => phase === "failed");
    expect(gone.error).toContain(`data volume ${VOLUME}`);
    await machine.must(
      `for _ in $(seq 100); do docker inspect ${CONTAINER} >/dev/null 2>&1 || exit 0; sleep 0.3; done; exit 1`,
    );
    await machine.attach(data);
    const back = await recordThat(machine, ({ phase }) => phase === "ready");
    expect(back.error).toBeNull();
  });

  test("after a reboot all is as before, and nothing is formatted", async () => {
    const starts = await machine.must("wc -l </data/starts");
    await machine.reboot();
    await machine.must("until [ -d /data ] && mountpoint -q /data; do sleep 0.3; done", 180);
    expect(Number(await machine.must("wc -l </data/starts"))).toBeGreaterThanOrEqual(Number(starts));
    expect(
      await machine.must("journalctl -b -u image-gen-data -u image-gen --no-pager | grep -c formatting || true"),
    ).toBe("0");
  });

  test("a copy of the model is beside the volume on the instance store; without that disk the service starts all the same", async () => {
    // All that time, not a byte of it was written.
    await machine.must("sync");
    expect(await hashOf(decoy.file)).toBe(decoyHash);
    const line = `${INSTANCE_STORE_VARIABLE}=${INSTANCE_STORE_PATH}`;
    await machine.must(
      `cp /opt/test/instance-store /opt/image-gen/bin/; echo ${line} >>/etc/image-gen/host.env; systemctl restart image-gen`,
    );
    const inside = (command: string) =>
      machine.must(`until docker exec ${CONTAINER} busybox ${command} 2>/dev/null; do sleep 0.5; done`, 240);
    expect(await inside(`ls -A ${INSTANCE_STORE_PATH}`)).toBe(INSTANCE_STORE_MARKER);
    const serialAt = (place: string) =>
      machine.must(`cat /sys/block/$(basename "$(findmnt -no SOURCE ${place})")/device/serial`);
    expect([await serialAt("/data"), await serialAt(INSTANCE_STORE_PATH)]).toEqual([serialOf(VOLUME), INSTANCE_STORE]);
    await inside(`touch ${INSTANCE_STORE_PATH}/weights`);
    expect(await machine.must(`stat -c %u ${INSTANCE_STORE_PATH}/weights`)).toBe("10001");

    await machine.must(`systemctl stop image-gen; umount ${INSTANCE_STORE_PATH}`);
    await machine.detach(decoy);
    await machine.must("systemctl start image-gen");
    await inside("true");
    const mounts = `docker inspect --format '{{range .Mounts}}{{.Destination}} {{end}}' ${CONTAINER}`;
    expect(await machine.must(mounts)).not.toContain(INSTANCE_STORE_PATH);
    expect(await machine.must("journalctl -b --no-pager -u image-gen | grep -c 'is loaded from the volume'")).toBe("1");
    // Nothing is written in its place.
    expect(await machine.must(`ls -A ${INSTANCE_STORE_PATH} /run/image-gen/trouble`)).toBe(
      `${INSTANCE_STORE_PATH}:\n\n/run/image-gen/trouble:`,
    );
  });

  test("a spot notice ends the service and unmounts the volume cleanly", async () => {
    await recordThat(machine, ({ phase }) => phase === "ready", 180);
    const begun = Date.now();
    await machine.must("touch /run/spot-notice; until ! mountpoint -q /data; do sleep 0.3; done", 120);
    expect((Date.now() - begun) / 1000).toBeLessThan(120);
    expect(await machine.must(`docker ps --quiet --all; systemctl is-active image-gen || true`)).toBe("inactive");
    await recordThat(machine, ({ error }) => error?.includes("this spot instance is taken back") === true, 60);
    await machine.detach(data);
  });
});
