import { CONTAINER_NAME, SERVICE_NAME, VOLUME_NAME } from "../contract.ts";
import type { KeysOf } from "./key.ts";
import { integer, ipAddress, matching, oneOf, optional } from "./parsers.ts";
import type { CommonSettings, LocalSettings } from "./settings.ts";

const name = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const dockerName = matching(name, "a Docker name (letters, digits, _ . -)");
const imageName = /^[a-z0-9][a-z0-9._/:-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$/;

/** Keys of a stack on this machine's Docker. */
export const LOCAL_KEYS: KeysOf<Omit<LocalSettings, keyof CommonSettings | "target">> = {
  bindAddress: { default: "127.0.0.1", type: "string", parse: ipAddress, example: "127.0.0.1" },
  gpu: { default: "auto", type: "string", parse: oneOf("auto", "all", "none"), example: "auto" },
  containerName: {
    default: CONTAINER_NAME,
    type: "string",
    parse: dockerName,
    example: CONTAINER_NAME,
  },
  volumeName: {
    default: VOLUME_NAME,
    type: "string",
    parse: dockerName,
    example: VOLUME_NAME,
  },
  imageName: {
    default: SERVICE_NAME,
    type: "string",
    parse: matching(imageName, "an image name"),
    example: SERVICE_NAME,
  },
  onDestroy: { default: "retain", type: "string", parse: oneOf("retain", "delete"), example: "retain" },
  memoryMb: { default: "0", type: "integer", parse: optional("0", integer(512, 4_194_304)), example: "16384" },
};
