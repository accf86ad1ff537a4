import fc from "fast-check";
import { expect, it } from "vitest";
import type { FileItem } from "../api/types";
import { endingOf, lengthOf, roomFor, shownAs } from "./kinds";

const file = (type: string, voice = false): FileItem => ({
  id: "1",
  name: "x",
  size: 1,
  type,
  state: "here",
  done: 1,
  description: "",
  media: { voice },
});

it.each([
  ["image/jpeg", "picture"],
  ["IMAGE/PNG; a=b", "picture"],
  ["image/svg+xml", "file"],
  ["text/html", "file"],
  ["video/mp4", "video"],
  ["audio/ogg", "audio"],
  ["", "file"],
])("%s is shown as a %s", (type, shown) => expect(shownAs(file(type))).toBe(shown));

it("a recording to be heard at once is a voice note", () => {
  expect(shownAs(file("audio/webm;codecs=opus", true))).toBe("voice");
  expect(shownAs(file("text/html", true))).toBe("file");
});

it.each([
  ["report.PDF", "pdf"],
  ["a.tar.gz", "tar.gz"],
  ["none", ""],
  [".", ""],
  ["x.veryverylong", ""],
])("%s ends in %s", (name, ending) => expect(endingOf(name)).toBe(ending));

it("a picture takes sensible room whatever it says of itself", () => {
  fc.assert(
    fc.property(fc.oneof(fc.double(), fc.integer()), fc.oneof(fc.double(), fc.integer()), (width, height) => {
      const room = roomFor(width, height);
      expect(room.width).toBeGreaterThanOrEqual(96);
      expect(room.width).toBeLessThanOrEqual(320);
      expect(room.height).toBeGreaterThanOrEqual(96);
      expect(room.height).toBeLessThanOrEqual(360);
    }),
  );
  expect(roomFor(4000, 3000)).toEqual({ width: 320, height: 240 });
  expect(roomFor(3000, 4000)).toEqual({ width: 270, height: 360 });
});

it.each([
  [0, "0:00"],
  [65_000, "1:05"],
  [3_607_000, "1:00:07"],
])("%d ms are %s", (ms, text) => expect(lengthOf(ms)).toBe(text));
