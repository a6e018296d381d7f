import { CliError, EXIT } from "../../core/exit.ts";

/** Checks an option's form here, because an error of `image-gen` would show the usage of a command that nobody typed. */
const parser =
  (pattern: RegExp, expected: string, example: string) =>
  (flag: string) =>
  (text: string): string => {
    if (pattern.test(text)) return text;
    const message = `${flag}: expected ${expected}, got "${text}".`;
    throw new CliError({ message, fix: `${flag} ${example}` }, EXIT.usage);
  };

export const modelId = parser(/^[^-\s]\S*$/, "a model's id", "stabilityai/stable-diffusion-xl-base-1.0");
export const revision = parser(/^[^-\s]\S*$/, "a commit, branch or tag", "main");
export const age = parser(/^\d+(\.\d+)? ?[mhdw]$/i, "an age such as 30d, 12h or 4w", "30d");
export const size = parser(/^\d+(\.\d+)? ?(B|[kMGT]i?B)?$/i, "a size such as 20GB, 500MB or 10GiB", "20GB");
