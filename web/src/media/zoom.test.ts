import fc from "fast-check";
import { expect, it } from "vitest";
import { FITS, LARGEST, moved, zoomed } from "./zoom";

const picture = { width: 800, height: 400 };
const frame = { width: 800, height: 600 };

it("what is under the pointer stays there", () => {
  const lie = zoomed(FITS, 2, { x: 100, y: 50 }, picture, frame);
  expect(lie.scale).toBe(2);
  expect(lie.x).toBe(-100);
});
it("it is never smaller than the frame, larger than eight times, or out of sight", () => {
  const step = fc.record({
    factor: fc.double({ min: 0.1, max: 5, noNaN: true }),
    x: fc.integer({ min: -900, max: 900 }),
    y: fc.integer({ min: -900, max: 900 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let lie = FITS;
      for (const { factor, x, y } of steps)
        lie = moved(zoomed(lie, factor, { x, y }, picture, frame), x, y, picture, frame);
      expect(lie.scale).toBeGreaterThanOrEqual(1);
      expect(lie.scale).toBeLessThanOrEqual(LARGEST);
      expect(Math.abs(lie.x)).toBeLessThanOrEqual((picture.width * lie.scale - frame.width) / 2 + 1e-6);
      expect(Math.abs(lie.y)).toBeLessThanOrEqual(
        Math.max(0, (picture.height * lie.scale - frame.height) / 2) + 1e-6,
      );
    }),
  );
});
it("made small again it lies as it lay", () => {
  const lie = zoomed(
    zoomed(FITS, 4, { x: 300, y: 100 }, picture, frame),
    0.01,
    { x: 0, y: 0 },
    picture,
    frame,
  );
  expect(lie).toEqual(FITS);
});
