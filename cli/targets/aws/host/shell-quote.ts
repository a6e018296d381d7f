/**
 * One word of a POSIX shell, whatever is in it. No two opening braces stand together in the result: Systems Manager
 * replaces `{{ … }}` in a command by a parameter's value before the host sees it.
 */
export function quote(word: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''").replaceAll(/\{(?=\{)/g, "{''")}'`;
}

export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(" ");
}
