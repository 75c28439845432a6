// Read a layerkit model file in JavaScript: npm install, then node read.mjs FILE...
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { decode } from "@msgpack/msgpack";

const MAX_CHUNK = 2 ** 31 - 64;
const VIEWS = {
  bool: Uint8Array, u8: Uint8Array, i8: Int8Array, u16: Uint16Array, i16: Int16Array,
  u32: Uint32Array, i32: Int32Array, u64: BigUint64Array, i64: BigInt64Array,
  f16: Uint16Array, // bits: JavaScript has no view of half floats everywhere yet
  f32: Float32Array, f64: Float64Array,
  c64: Float32Array, c128: Float64Array, // real and imaginary parts in turn
};
const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Header and tensors by name, each {dtype, shape, values}; throws if a digest or the form is wrong. */
export function read(path) {
  const raw = readFileSync(path);
  if (raw.subarray(1, 10).toString("latin1") !== "\xa8layerkit" || raw[0] !== 0x83 || raw[11] !== 1)
    throw new Error("not a layerkit file of format 1");
  if (raw.length < 87 || raw.readBigUInt64BE(14) !== BigInt(raw.length) || raw.readBigUInt64BE(28) !== 0n)
    throw new Error("cut off, too long, or with flags of a newer format");
  const end = 87 + raw.readUInt32BE(23); // of the header and the ten bytes after it
  if (!sha256(raw.subarray(0, 38), Buffer.alloc(32), raw.subarray(70, end)).equals(raw.subarray(38, 70)))
    throw new Error("the header is corrupt");
  // 64-bit integers beyond 2^53 lose digits unless decoded as BigInt; only metadata has such.
  const { header, data } = decode(raw);
  if (header.features.required.length) throw new Error(`needs ${header.features.required}`);
  const tensors = new Map();
  let slot = 0;
  for (const t of header.tensors) {
    const chunks = [];
    for (let left = Math.max(1, Math.ceil(t.nbytes / MAX_CHUNK)); left > 0; left--, slot += 2) {
      if (data[slot].some((byte) => byte !== 0)) throw new Error(`tensor ${t.name} is corrupt`);
      chunks.push(data[slot + 1]);
    }
    if (!sha256(...chunks).equals(t.sha256)) throw new Error(`tensor ${t.name} is corrupt`);
    const bytes = Uint8Array.from(Buffer.concat(chunks)); // a copy, aligned for any view
    if (t.dtype === "bool" && bytes.some((byte) => byte > 1)) throw new Error(`tensor ${t.name}: a bool is 0 or 1`);
    tensors.set(t.name, { dtype: t.dtype, shape: t.shape, values: new VIEWS[t.dtype](bytes.buffer) });
  }
  for (const [alias, name] of Object.entries(header.aliases)) tensors.set(alias, tensors.get(name));
  return { header, tensors };
}

for (const path of process.argv.slice(2))
  for (const [name, { dtype, shape, values }] of read(path).tensors)
    console.log(JSON.stringify([name, dtype, shape, Buffer.from(values.buffer).toString("hex"), Array.from(values.slice(0, 4), String)]));
