import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { exifOrientation, headOf, kindOf, withoutMetadata } from "./metadata";
import { PICTURES } from "./metadata.samples";

type Name = keyof typeof PICTURES;
const bytesOf = (name: Name) => Uint8Array.from(atob(PICTURES[name]), (letter) => letter.charCodeAt(0));
const lettersOf = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const NAMES = Object.keys(PICTURES) as Name[];
const STRIPPED: Name[] = ["jpeg", "progressive", "png", "webp", "webp-simple", "gif"];

describe("what a picture says about itself", () => {
  it.each(NAMES)("%s: its size", (name) =>
    expect(headOf(bytesOf(name))).toMatchObject({ width: 6, height: 4 }),
  );
  it.each(["jpeg", "progressive", "png", "webp"] as const)("%s: which way up", (name) =>
    expect(headOf(bytesOf(name))?.orientation).toBe(6),
  );
  it("whether it moves", () => {
    expect(headOf(bytesOf("gif"))?.animated).toBe(true);
    expect(headOf(bytesOf("webp"))?.animated).toBe(false);
  });
  it("other things are no pictures", () => {
    for (const text of [
      "",
      "<svg xmlns='http://www.w3.org/2000/svg'/>",
      "<!doctype html>",
      "%PDF-1.7",
      "BM",
      "GIF89",
    ]) {
      expect(kindOf(new TextEncoder().encode(text))).toBe(null);
    }
  });
});

describe("without what it tells of its maker", () => {
  it.each(STRIPPED)("%s: nothing of it remains", (name) => {
    const clean = withoutMetadata(bytesOf(name));
    expect(clean).not.toBe(null);
    expect(lettersOf(clean!)).not.toMatch(/SECRET|Exif|EXIF|eXIf|GPS|xmp|2026/);
  });
  it.each(["jpeg", "progressive", "png", "webp", "gif"] as const)("%s: it was there before", (name) => {
    expect(lettersOf(bytesOf(name))).toMatch(/SECRET/);
  });
  it.each(STRIPPED)("%s: it is the same picture, upright by its own account", (name) => {
    const before = headOf(bytesOf(name));
    expect(headOf(withoutMetadata(bytesOf(name))!)).toEqual({ ...before, orientation: 1 });
  });
  it.each(STRIPPED)("%s: once is enough", (name) => {
    const once = withoutMetadata(bytesOf(name))!;
    expect(withoutMetadata(once)).toEqual(once);
  });
  it("the colour profile stays", () =>
    expect(lettersOf(withoutMetadata(bytesOf("jpeg"))!)).toContain("ICC_PROFILE"));
  it("the pixels of a JPEG stay to the last bit", () => {
    const scan = (bytes: Uint8Array) => lettersOf(bytes).slice(lettersOf(bytes).lastIndexOf("\xff\xda"));
    expect(scan(withoutMetadata(bytesOf("jpeg"))!)).toBe(scan(bytesOf("jpeg")));
  });
  it("half a file is none", () => {
    for (const name of STRIPPED) expect(withoutMetadata(bytesOf(name).subarray(0, 60))).toBe(null);
  });
});

describe("whatever the bytes are", () => {
  const damaged = fc.constantFrom(...NAMES).chain((name) => {
    const bytes = bytesOf(name);
    return fc
      .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 12 })
      .chain((changes) => fc.nat(bytes.length).map((end) => ({ changes, end })))
      .map(({ changes, end }) => {
        const copy = bytes.slice();
        for (const [at, value] of changes) copy[at] = value;
        return end % 3 === 0 ? copy.subarray(0, end) : copy;
      });
  });
  it("they are read or they are not", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
        headOf(bytes);
        withoutMetadata(bytes);
        exifOrientation(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});
