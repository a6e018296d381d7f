import type { AwsProviderFake } from "../../aws-fake/index.ts";
import { text } from "../../aws-fake/kind.ts";

const VOLUME = "aws:ebs/volume:Volume";
/** Calls whose order matters: they touch a host or a disk. The engine makes the others side by side. */
const ORDERED =
  /^(?:\w+Instances|\w*Volume|CreateSnapshot|ModifyInstance\w*|\w+AutoScalingGroup|RunInstances refused) /;

/** What AWS saw of one update, with the host before it as `old` and the one that came as `new`. */
export interface Story {
  readonly inOrder: readonly string[];
  readonly besides: readonly string[];
  readonly broken: readonly string[];
}

/** Follows the calls from one update to the next. */
export class Observer {
  readonly #fake: AwsProviderFake;
  #mark = 0;
  #hosts = 0;

  constructor(fake: AwsProviderFake) {
    this.#fake = fake;
  }

  /** All since the last time that it was asked. */
  next(): Story {
    const { cloud } = this.#fake;
    const lines = cloud.story(this.#mark);
    this.#mark = cloud.calls.length;
    const named = lines.map((line) => line.replace(/host (\d+)/, (_, host: string) => this.#name(Number(host))));
    this.#hosts = cloud.story().filter((line) => line.startsWith("RunInstances host")).length;
    return {
      inOrder: named.filter((line) => ORDERED.test(line)),
      besides: counted(named.filter((line) => !ORDERED.test(line)).map(short)),
      broken: [...cloud.broken],
    };
  }

  /** What is on the disk, by the volume's id. */
  bytesOf(volumeId: string): string {
    const volume = this.#fake.cloud.all(VOLUME).find(({ id }) => id === volumeId);
    return text(volume?.props.__bytes);
  }

  #name(host: number): string {
    if (host === this.#hosts) return "old";
    return host === this.#hosts + 1 ? "new" : `host ${host}`;
  }
}

/** Without the digest of an image, the id of a repository, and the number of what has no name: they are as they are. */
function short(line: string): string {
  const image = /^PutImage .*:(@|image-)/.exec(line);
  if (image) return `PutImage by ${image[1] === "@" ? "digest" : "tag"}`;
  return line.replace(/ [A-Z]\w+ \d+$/, "");
}

/** `CreateVpcEndpoint × 10`, in the order of the alphabet. */
function counted(lines: readonly string[]): string[] {
  const times = (one: string) => lines.filter((line) => line === one).length;
  return [...new Set(lines)].sort().map((line) => (times(line) > 1 ? `${line} × ${times(line)}` : line));
}

/** Capacity first, then the old host stops, and only then the disk moves. */
export const CREATE_FIRST = [
  "RunInstances new",
  "StopInstances old",
  "DetachVolume Volume 1 from old",
  "AttachVolume Volume 1 to new",
  "TerminateInstances old",
];

/** With a quota for one host. */
export const DELETE_FIRST = [
  "StopInstances old",
  "DetachVolume Volume 1 from old",
  "TerminateInstances old",
  "RunInstances new",
  "AttachVolume Volume 1 to new",
];

/** Alarms that watch an instance, by its id. */
export const HOST_ALARMS = [
  "PutMetricAlarm image-gen-ebs-status",
  "PutMetricAlarm image-gen-instance-status",
  "PutMetricAlarm image-gen-system-status",
];
