/**
 * An archive of files that are compressed already, in the format of APPNOTE.TXT (PKWARE's .ZIP File Format Specification, 6.3): each file
 * as it is (method 0), with a directory at the end, in ZIP64 where 32 bits are too few. The archive refers to the blobs, which a browser
 * keeps on disk; read are they one piece at a time, for their checksum.
 */
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
/** The version that can read it (2.0, or 4.5 for ZIP64), and names in UTF-8. */
const VERSION = 20;
const VERSION_64 = 45;
const UTF_8 = 0x0800;
const MOST_32 = 0xffffffff;
const MOST_16 = 0xffff;
/** The polynomial of CRC-32, from its lowest bit. */
const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** The archive of `files`, each `{ name, blob, time }`; an async iterable. Offsets above `most` are written with 64 bits. */
export async function zip(files, { most = MOST_32, signal } = {}) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for await (const { name, blob, time } of files) {
    signal?.throwIfAborted();
    const encoded = new TextEncoder().encode(name);
    const about = [...momentOf(time), [4, await checksumOf(blob)], [4, blob.size], [4, blob.size], [2, encoded.length]];
    const local = fields([4, LOCAL], [2, VERSION], [2, UTF_8], [2, 0], ...about, [2, 0]);
    parts.push(local, encoded, blob);
    directory.push(entryOf(about, encoded, offset, most));
    offset += local.length + encoded.length + blob.size;
  }
  const entries = directory.flat();
  const size = entries.reduce((sum, each) => sum + each.length, 0);
  return new Blob([...parts, ...entries, ...endOf(directory.length, size, offset, most)], { type: "application/zip" });
}

function entryOf(about, name, offset, most) {
  const far = offset > most;
  const extra = far ? fields([2, 1], [2, 8], [8, offset]) : new Uint8Array();
  const version = [2, far ? VERSION_64 : VERSION];
  const rest = [
    [2, extra.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, far ? MOST_32 : offset],
  ];
  return [fields([4, CENTRAL], version, version, [2, UTF_8], [2, 0], ...about, ...rest), name, extra];
}

function endOf(count, size, offset, most) {
  const is64 = offset > most || count >= MOST_16;
  const many = is64 ? MOST_16 : count;
  const place = is64
    ? [
        [4, MOST_32],
        [4, MOST_32],
      ]
    : [
        [4, size],
        [4, offset],
      ];
  const end = fields([4, END], [2, 0], [2, 0], [2, many], [2, many], ...place, [2, 0]);
  if (!is64) return [end];
  const version = [2, VERSION_64];
  const end64 = fields(
    [4, END_64],
    [8, 44],
    version,
    version,
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, size],
    [8, offset],
  );
  return [end64, fields([4, LOCATOR_64], [4, 0], [8, offset + size], [4, 1]), end];
}

/** Numbers in so many bytes each, the lowest first. */
function fields(...pairs) {
  const bytes = new Uint8Array(pairs.reduce((sum, [length]) => sum + length, 0));
  const data = new DataView(bytes.buffer);
  let at = 0;
  for (const [length, value] of pairs) {
    if (length === 2) data.setUint16(at, value, true);
    else if (length === 4) data.setUint32(at, value, true);
    else data.setBigUint64(at, BigInt(value), true);
    at += length;
  }
  return bytes;
}

/** As MS-DOS has it: two seconds are the least, 1980 the first year. */
function momentOf(time) {
  const date = new Date(time);
  const clock = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  return [
    [2, clock],
    [2, day],
  ];
}

async function checksumOf(blob) {
  let sum = MOST_32;
  const reader = blob.stream().getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    for (const byte of piece.value) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  }
  return (sum ^ MOST_32) >>> 0;
}
