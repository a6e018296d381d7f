/** The options that compress a backup as the ending of its name says: the archive itself comes through a pipe. */
export function compressionOptions(file: string): string[] {
  if (/\.(zst|tzst)$/.test(file)) return ["--zstd"];
  return /\.(gz|tgz)$/.test(file) ? ["--gzip"] : [];
}

/** Whether a backup's place is one that `image-gen` itself reads and writes. */
export function isBucket(place: string): boolean {
  return place.startsWith("s3://");
}
