import { containerRule } from "./container-rule.ts";

/** A tag can be moved; a container that names one does not say what it runs. */
export const imagePinned = containerRule(
  "image-pinned",
  "Containers refer to their image by id or digest.",
  ({ image }) =>
    image === undefined || /^(?:.+@)?sha256:[0-9a-f]{64}$/.test(image)
      ? undefined
      : `expected an image id or digest (sha256:…), got ${image}.`,
);
