import type { Finding } from "../../../doctor/checks.ts";

/** How doctor's lines on AWS are made. */
export const finding = (level: Finding["level"], about: string, text: string, mend?: string): Finding => ({
  level,
  about,
  text,
  ...(mend ? { mend } : {}),
});
export const unknown = (about: string, why: string) => finding("unknown", about, why);
export const set = (stack: string, key: string, value: string) =>
  `imagegen up --stack ${stack} --config ${key}=${value}`;
