/** How a backup is packed, by its name's ending: told by option, as the archive itself comes through a pipe. */
export function compression(file: string): string[] {
  if (/\.(zst|tzst)$/.test(file)) return ["--zstd"];
  return /\.(gz|tgz)$/.test(file) ? ["--gzip"] : [];
}
