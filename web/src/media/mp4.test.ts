import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { quietly, withoutPlace } from "./mp4";

function box(type: string, ...content: (string | Uint8Array)[]): Uint8Array {
  const bodies = content.map((part) => (typeof part === "string" ? new TextEncoder().encode(part) : part));
  const size = 8 + bodies.reduce((sum, part) => sum + part.length, 0);
  const made = new Uint8Array(size);
  new DataView(made.buffer).setUint32(0, size);
  made.set(new TextEncoder().encode(type), 4);
  let at = 8;
  for (const body of bodies) {
    made.set(body, at);
    at += body.length;
  }
  return made;
}
const blobOf = (...parts: Uint8Array[]) => new Blob(parts as BlobPart[], { type: "video/mp4" });
const text = async (blob: Blob) => new TextDecoder("latin1").decode(await blob.arrayBuffer());
const PLACE = "+55.7520+037.6175/";

describe("a film", () => {
  const film = blobOf(
    box("ftyp", "isom"),
    box(
      "moov",
      box("mvhd", "x"),
      box("trak", box("tkhd", "y"), box("udta", PLACE)),
      box("udta", box("\xa9xyz", PLACE)),
      box("meta", PLACE),
    ),
    box("mdat", "the film itself"),
    box("uuid", PLACE),
  );
  it("does not tell where it was taken, and stays as long", async () => {
    const clean = await withoutPlace(film);
    expect(clean?.size).toBe(film.size);
    expect(await text(clean!)).not.toContain("55.7520");
    expect(await text(clean!)).toContain("the film itself");
    expect(await text(film)).toContain("55.7520");
  });
  it("of another kind is left alone", async () => {
    expect(await withoutPlace(new Blob(["\x1aE\xdf\xa3 webm or whatever"]))).toBe(null);
    expect(await withoutPlace(new Blob([]))).toBe(null);
    expect(await withoutPlace(film.slice(0, film.size - 3))).toBe(null);
  });
  it("of any bytes ends", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => quietly(bytes, 0, bytes.length)));
  });
});
