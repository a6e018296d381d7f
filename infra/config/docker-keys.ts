import { CONTAINER_NAME, SERVICE_NAME, VOLUME_NAME } from "../contract.ts";
import { number, text } from "./key.ts";
import { integer, ipAddress, matching, oneOf, optional } from "./parsers.ts";

const dockerName = matching(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "a Docker name (letters, digits, _ . -)");
const imageName = /^[a-z0-9][a-z0-9._/:-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$/;

/** Keys of a stack on this machine's Docker. */
export const LOCAL_KEYS = {
  /** Address on this machine that the port is bound to. */
  bindAddress: text("127.0.0.1", ipAddress),
  /** `auto`: all GPUs when this machine has one. */
  gpu: text("auto", oneOf("auto", "all", "none")),
  containerName: text(CONTAINER_NAME, dockerName),
  volumeName: text(VOLUME_NAME, dockerName),
  imageName: text(SERVICE_NAME, matching(imageName, "an image name")),
  /** What `pulumi destroy` does with the volume. */
  onDestroy: text("retain", oneOf("retain", "delete")),
  /** Memory limit in MiB; null: none. */
  memoryMb: number(0, optional("0", integer(512, 4_194_304)), 16_384),
};
