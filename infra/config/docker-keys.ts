import { posix } from "node:path";
import { CONTAINER_NAME, HARDENING, SERVICE_NAME, VOLUME_NAME } from "../contract.ts";
import { flag, number, text, unset } from "./key.ts";
import { hostPath, httpUrl, integer, ipAddress, matching, oneOf, optional, type Parser } from "./parsers.ts";

const dockerName = matching(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "a Docker name (letters, digits, _ . -)");
const imageName = /^[a-z0-9][a-z0-9._/:-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$/;

/** A volume of Docker's, or a folder of this machine. */
const volume: Parser<string> = (value) => {
  const found = value.startsWith("/") ? hostPath(value) : dockerName(value);
  return "value" in found && found.value !== "/"
    ? found
    : { expected: "a Docker name, or the absolute path of a folder" };
};

const modelDir: Parser<string> = (value) => {
  const found = hostPath(value.startsWith("/") ? posix.normalize(value) : value);
  return "value" in found && found.value === "/" ? { expected: "the absolute path of a model" } : found;
};

/** Where CPU builds of torch are. */
const torchIndex: Parser<string> = (value) => {
  const found = value === "cpu" ? { value } : httpUrl(value);
  return "value" in found ? found : { expected: `cpu, or ${found.expected}` };
};

/** Keys of a stack on this machine's Docker. */
export const LOCAL_KEYS = {
  /** Address on this machine that the port is bound to. */
  bindAddress: text("127.0.0.1", ipAddress),
  /** Says that clients without a key are meant, at an address that is not this machine's alone. */
  allowUnauthenticated: flag,
  containerName: text(CONTAINER_NAME, dockerName),
  /** An absolute path: a folder of this machine in place of a volume. */
  volumeName: text(VOLUME_NAME, volume),
  /** A model of the user's own, a directory or a checkpoint of this machine, that is served in place of `modelId`. Never written. */
  modelDir: unset(modelDir, "/home/me/models/my-photos.safetensors"),
  /** A Hugging Face cache of this machine that is read, and never written. */
  hostCache: unset(hostPath, "/home/me/.cache/huggingface"),
  /** Who the service is in the container: the owner of a folder that only its owner reads or writes. */
  containerUser: text(HARDENING.user, matching(/^\d+:\d+$/, "a user and a group by number, such as 1000:1000")),
  imageName: text(SERVICE_NAME, matching(imageName, "an image name")),
  /** Null: the lock's torch, with CUDA. A machine with a GPU has that in any case. */
  torchIndex: unset(torchIndex, "cpu"),
  /** What `pulumi destroy` does with the volume. */
  onDestroy: text("retain", oneOf("retain", "delete")),
  /** 0: one service. Else a gateway on the port, and so many workers behind a queue. */
  workers: number(0, integer(0, 16), 2),
  /** The emulator that a stack with workers has its queue and its job store in. */
  emulatorImage: text("motoserver/moto:5.2.5", matching(imageName, "an image name")),
  /** Memory limit in MiB; null: none. */
  memoryMb: number(0, optional("0", integer(512, 4_194_304)), 16_384),
};
