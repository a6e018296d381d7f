/** What gives a secret away: the name that it has, or the look of it. */

/** Hugging Face's tokens. */
const TOKEN = /\bhf_[A-Za-z0-9]{16,}\b/;

/** AWS's access keys, and private keys. */
const ACCESS_KEY = /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** An address with a user and a password, as proxies have. */
const PASSWORD = /\bhttps?:\/\/[^\s/:@]+:[^\s/@]+@/;

export function looksSecret(text: string): boolean {
  return [TOKEN, ACCESS_KEY, PRIVATE_KEY, PASSWORD].some((pattern) => pattern.test(text));
}
