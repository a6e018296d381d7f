/** A user and a password in an address: they belong in no message, and in a stack's file as a secret alone. */

/** Whether an address has a user, a password or both. */
export function hasLogin(text: string): boolean {
  if (!URL.canParse(text)) return /\/\/.*@/s.test(text);
  const { username, password } = new URL(text);
  return username !== "" || password !== "";
}

/** Text as a message may show it. Up to the last `@`, as a password that is not encoded may have any character. */
export const maskLogin = (text: string): string => text.replace(/(\/\/).*@/gs, "$1***@");

/** An address without its user and password, and those as HTTP's Basic authentication has them; null when there are none. */
export function splitLogin(address: string): { readonly address: string; readonly login: string | null } {
  if (!URL.canParse(address)) return { address: maskLogin(address), login: null };
  const url = new URL(address);
  if (url.username === "" && url.password === "") return { address, login: null };
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = "";
  url.password = "";
  return { address: url.href, login };
}
